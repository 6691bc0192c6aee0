-- include: codes limbs
-- What every call begins with, and what every bucket must prove before it is touched.
--
-- A bucket is one hash. Its fields: 8 bytes (account u32, asset u32) are a balance; all others
-- have another length, or begin with a word of eight letters:
--
--   F                      founding: map version u32, bucket u32, buckets u32, format u32,
--                          share i64 (the most that may come in from outside, per asset)
--   N                      one more than the highest asset u32, and partition u32, seen here
--   T + asset              what changes outside batches came to: available, held, outside,
--                          transfers, i64 each
--   P + partition + asset  what a partition's reservations and batches came to: available,
--                          held, i64 each
--   W + partition          highest epoch seen u64, last batch settled here u64, and a bit for
--                          each bucket that this batch touched
--   A + partition          answers to frames that no batch has ended (see answers below)
--   I + account + id       client order id, and i how many there are (see ids)
--   O, o + number u64      outbox: first and next number u64; one record each
--   t                      references of unfinished transfers from here, each after its length
--   claimed: + reference   what the reference stands for (see claims below)
--   credits: + reference   the claim that was credited here
--   on-hold: + reference   how far the hold has come u8, and its claim
--
-- All numbers are little-endian. The head of each call is version u16, which function u16,
-- map version u32, bucket u32, buckets u32.

local calls = { HEAD = 16, MOST = 6000, NUMBERS = 65536 }

-- Check the shape of a call. Returns nil, or the code that refuses it. A function that is called
-- often gives a table `opened`: heads that are in there were checked by it before.
function calls.refused(keys, args, count, code, opened)
    if #keys ~= 1 or #args ~= count then
        return codes.BAD_LENGTH
    end
    local head = args[1]
    if opened and opened[head] then
        return nil
    end
    if #head ~= calls.HEAD then
        return codes.BAD_LENGTH
    end
    local version, meant = struct.unpack('<I2I2', head)
    if version ~= codes.VERSION then
        return codes.BAD_VERSION
    end
    if meant ~= code then
        return codes.BAD_CODE
    end
    return nil
end

-- Compare a bucket's founding with the head of a call. Returns nil, or the code that refuses.
-- What belongs together is put into the table `opened`, if one is given: head to founding.
function calls.unfounded(founding, head, opened)
    if not founding then
        return codes.UNFOUNDED
    end
    if #founding ~= 24 or struct.unpack('<I4', founding, 13) ~= codes.VERSION then
        return codes.BAD_VERSION
    end
    if string.sub(founding, 1, 12) ~= string.sub(head, 5, 16) then
        return codes.WRONG_MAP
    end
    if opened then
        opened[head] = founding
    end
    return nil
end

-- A number of eight bytes below 2^53; zero if there is none, nil if it is larger.
function calls.number(text, position)
    if not text then
        return 0
    end
    return limbs.number(struct.unpack('<I4I4', text, position or 1))
end

-- What a bucket knows of a partition (field W): the highest epoch seen, and the last batch
-- settled here.
function calls.mark(text)
    if not text then
        return 0, 0
    end
    -- Numbers below 2^53 when they were written.
    local epoch_low, epoch_high, low, high = struct.unpack('<I4I4I4I4', text)
    return epoch_high * limbs.CARRY + epoch_low, high * limbs.CARRY + low
end

-- The names of a partition's fields, made once: `mark` (W), `answers` (A), and of a sum (P) by
-- its asset, where `sum` has been called with it.
local names = {}

function calls.names(partition)
    local known = names[partition]
    if not known then
        known = { mark = 'W' .. partition, answers = 'A' .. partition, partition = partition }
        names[partition] = known
    end
    return known
end

function calls.sum(known, asset)
    local field = known[asset]
    if not field then
        field = 'P' .. known.partition .. struct.pack('<I4', asset)
        known[asset] = field
    end
    return field
end

-- The first `size` of some fields at once, however many: a call into Redis takes some thousand
-- arguments.
function calls.read(key, fields, size)
    if size <= calls.MOST then
        return redis.call('HMGET', key, unpack(fields, 1, size))
    end
    local values = {}
    for from = 1, size, calls.MOST do
        local to = math.min(from + calls.MOST - 1, size)
        local part = redis.call('HMGET', key, unpack(fields, from, to))
        for k = 1, to - from + 1 do
            values[from - 1 + k] = part[k]
        end
    end
    return values
end

-- Put all of a list behind the first `size` entries of another; returns the size after it.
function calls.append(list, size, more)
    for place = 1, #more do
        list[size + place] = more[place]
    end
    return size + #more
end

-- Write the first `size` of fields and values that alternate.
function calls.write(key, pairs_, size)
    for from = 1, size, calls.MOST do
        redis.call('HSET', key, unpack(pairs_, from, math.min(from + calls.MOST - 1, size)))
    end
end

-- Remove the first `size` of some fields.
function calls.remove(key, fields, size)
    for from = 1, size, calls.MOST do
        redis.call('HDEL', key, unpack(fields, from, math.min(from + calls.MOST - 1, size)))
    end
end
