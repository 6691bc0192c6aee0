-- include: limbs calls answers
-- Client order ids: which order an account has given a name of its own.
--
-- A bucket keeps each in a field of 41 bytes: I, account u32, and the id, 36 bytes padded with
-- NUL. Its value: order u64, frame u64 (whose number tells the time), partition u32, market u32.
-- Field i says how many there are, u64. A record of an id is the field without its letter, and
-- the value behind it: 64 bytes.
--
-- A request that carries one has 64 bytes: account u32, asset u32, amount i64, order u64, market
-- u32, and the id, 36 bytes; it has none if these are all NUL.

local ids = { RECORD = 64, COUNT = 'i' }

-- The field of the id in the request at a place of a text; false if it has none, nil if it is
-- malformed. An id is 1 to 36 printable characters, no space among them.
function ids.field(text, at)
    local name = string.sub(text, at + 28, at + 63)
    if string.byte(name) == 0 then
        if string.find(name, '[^%z]') then
            return nil
        end
        return false
    end
    if not string.find(name, '^[!-~]+%z*$') then
        return nil
    end
    return 'I' .. string.sub(text, at, at + 3) .. name
end

-- What the field of a granted request is set to.
function ids.value(text, at, frame, partition)
    local sub = string.sub
    return sub(text, at + 16, at + 23) .. frame .. partition .. sub(text, at + 24, at + 27)
end

-- Whether the frame of a value came after that of another.
function ids.is_later(value, other)
    local low, high = struct.unpack('<I4I4', value, 9)
    local other_low, other_high = struct.unpack('<I4I4', other, 9)
    return limbs.less(other_low, other_high, low, high)
end

-- A number of ids as field i has it.
function ids.counted(number)
    return struct.pack('<I4I4', number, 0)
end

-- The ids that answers keep: fields and values that alternate.
function ids.of_answers(texts, partition)
    local pairs_ = {}
    for place = 1, #texts do
        local answer = texts[place]
        local frame, count = string.sub(answer, 1, 8), struct.unpack('<I4', answer, 9)
        count = math.max(count - answers.NAMED_BIT, 0)
        for number = 1, count do
            local at = answers.HEAD + 1 + answers.NAMED * (number - 1)
            local held = string.byte(answer, answers.HEAD + answers.NAMED * count + number) == 1
            local field = held and ids.field(answer, at)
            if field then
                pairs_[#pairs_ + 1] = field
                pairs_[#pairs_ + 1] = ids.value(answer, at, frame, partition)
            end
        end
    end
    return pairs_
end

-- The ids in records, all of one partition: fields and values that alternate; nil if one is
-- malformed.
function ids.of_records(records, partition)
    local sub = string.sub
    local pairs_ = {}
    for at = 1, #records, ids.RECORD do
        local name, value = sub(records, at + 4, at + 39), sub(records, at + 40, at + 63)
        if not string.find(name, '^[!-~]+%z*$') or sub(value, 17, 20) ~= partition then
            return nil
        end
        pairs_[#pairs_ + 1] = 'I' .. sub(records, at, at + 39)
        pairs_[#pairs_ + 1] = value
    end
    return pairs_
end

-- The values of the fields in pairs of field and value, and how many ids there are.
function ids.read(key, pairs_)
    local fields = { ids.COUNT }
    for at = 1, #pairs_, 2 do
        fields[#fields + 1] = pairs_[at]
    end
    local values = calls.read(key, fields, #fields)
    return values, calls.number(values[1])
end
