-- include: codes limbs calls totals answers ids
-- Apply the postings of a batch to one bucket, exactly once, and forget the answers to frames.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  partition u32, epoch u64, batch u64, previous u64, flags u32: 32 bytes; `previous` is
--          the last batch before this one that touched this bucket. Flags: 1, the frames did not
--          run, so the client order ids that their answers keep go with these; 2, a frame that has
--          no answer here is refused
-- ARGV[3]  a bit for each bucket that the batch touches
-- ARGV[4]  postings of 24 bytes: account u32, asset u32, available i64, held i64, ascending
-- ARGV[5]  frames, u64 each
-- ARGV[6]  may be left out: client order ids that the bucket has lost, 64 bytes each
--          (include/ids.lua)
-- Returns  DONE or REPEATED; STALE_EPOCH, epoch; GAP, last batch settled here; MISSING_ANSWER, how
--          many frames have none;
--          NOT_ASCENDING, BAD_VALUE, TOO_LITTLE or OVERFLOW, with the posting at fault

-- Tables that every call fills anew: making them grow costs more than what a small call does.
-- Of each posting, behind three other fields: the field of its balance, and four limbs of its
-- changes. Of each asset, in the order of their appearance: four limbs of what they add up to.
local fields, changes, writes = {}, {}, {}
local assets, place_of = {}, {}
local sums_alow, sums_ahigh, sums_hlow, sums_hhigh = {}, {}, {}, {}

local NONE = {}

-- The founding of each bucket by the head of the calls to it, once both have been checked.
local opened = {}

-- Take the postings apart into these tables. Returns the number of fields and of assets; or nil,
-- code and position of the posting that is malformed.
local function read_postings(postings)
    local from, sub, fields, changes = struct.unpack, string.sub, fields, changes
    local size, filled, count, place, summed, last_key = 3, 0, 0, nil, -1, -1
    for at = 1, #postings, 24 do
        local account, asset, alow, ahigh, hlow, hhigh = from('<I4I4I4i4I4i4', postings, at)
        local key = account * 65536 + asset
        if asset ~= summed then
            if asset >= 65536 then
                return nil, codes.BAD_VALUE, (at - 1) / 24
            end
            -- What earlier calls left in `place_of` is of no use if it points elsewhere.
            place, summed = place_of[asset], asset
            if not place or place > count or assets[place] ~= asset then
                count = count + 1
                place, place_of[asset], assets[count] = count, count, asset
                sums_alow[place], sums_ahigh[place] = 0, 0
                sums_hlow[place], sums_hhigh[place] = 0, 0
            end
        end
        if key <= last_key then
            return nil, codes.NOT_ASCENDING, (at - 1) / 24
        end
        sums_alow[place], sums_ahigh[place] = sums_alow[place] + alow, sums_ahigh[place] + ahigh
        sums_hlow[place], sums_hhigh[place] = sums_hlow[place] + hlow, sums_hhigh[place] + hhigh
        last_key, size = key, size + 1
        fields[size] = sub(postings, at, at + 7)
        changes[filled + 1], changes[filled + 2] = alow, ahigh
        changes[filled + 3], changes[filled + 4] = hlow, hhigh
        filled = filled + 4
    end
    return size, count
end

-- Put the balances after their changes into `writes`, behind the first two; `last` is the place
-- of the last one in `fields` and `values`. Returns nil, or code and position of the posting
-- that cannot be applied.
local function post(values, last)
    local pack, from, CARRY, TOP = struct.pack, struct.unpack, limbs.CARRY, limbs.TOP
    local fields, changes, writes = fields, changes, writes
    local at, size = 1, 2
    for place = 4, last do
        local alow, ahigh, hlow, hhigh =
            changes[at], changes[at + 1], changes[at + 2], changes[at + 3]
        local value = values[place]
        if value then
            local low, high, held_low, held_high = from('<I4i4I4i4', value)
            alow, ahigh, hlow, hhigh = alow + low, ahigh + high, hlow + held_low, hhigh + held_high
            if alow >= CARRY then
                alow, ahigh = alow - CARRY, ahigh + 1
            end
            if hlow >= CARRY then
                hlow, hhigh = hlow - CARRY, hhigh + 1
            end
        end
        if ahigh < 0 or hhigh < 0 then
            return codes.TOO_LITTLE, place - 4
        end
        if ahigh >= TOP or hhigh >= TOP then
            return codes.OVERFLOW, place - 4
        end
        writes[size + 1] = fields[place]
        writes[size + 2] = pack('<I4i4I4i4', alow, ahigh, hlow, hhigh)
        at, size = at + 4, size + 2
    end
    return nil
end

-- Put the sums of the partition after the batch into `writes`, behind `size` entries; their
-- values begin behind the place `last`. Returns the size after it, and the highest asset that
-- the partition had not touched here, or -1.
local function count_up(size, values, last, count)
    local highest = -1
    for place = 1, count do
        local before, asset = values[last + place], assets[place]
        writes[size + 1] = fields[last + place]
        writes[size + 2] = totals.settled(
            before, sums_alow[place], sums_ahigh[place], sums_hlow[place], sums_hhigh[place]
        )
        size = size + 2
        if not before and asset > highest then
            highest = asset
        end
    end
    return size, highest
end

-- What a batch does to client order ids: those of `going` are removed, if they are still those,
-- and those of `coming` kept, if they are free or that of an earlier frame, which must have been
-- forgotten by then; both are fields and values that alternate. Puts what is to be written into
-- `writes`, which has `size` entries. Returns the size after it, and fields that go.
local function change_ids(key, size, going, coming)
    local values, count = ids.read(key, coming)
    local kept = {}
    for place = 2, #values do
        local field, value = coming[2 * place - 3], coming[2 * place - 2]
        local before = kept[field] or values[place]
        if not before or ids.is_later(value, before) then
            if not before then
                count = count + 1
            end
            kept[field] = value
        end
    end
    for field, value in pairs(kept) do
        writes[size + 1], writes[size + 2] = field, value
        size = size + 2
    end
    local gone, known = {}, ids.read(key, going)
    for place = 2, #known do
        local field = going[2 * place - 3]
        -- Another order may have got the id since, if this one was forgotten.
        if known[place] == going[2 * place - 2] and not kept[field] then
            gone[#gone + 1] = field
        end
    end
    writes[size + 1], writes[size + 2] = ids.COUNT, ids.counted(count - #gone)
    return size + 2, gone
end

local function settle(keys, args)
    local key, head, record, touched = keys[1], args[1], args[2], args[3]
    local postings, frames = args[4], args[5]
    local lost = args[6] or ''
    local refused = calls.refused(keys, args, args[6] and 6 or 5, codes.CALL_SETTLE, opened)
    if refused then
        return { refused }
    end
    local from, sub, CARRY, NUMBER = struct.unpack, string.sub, limbs.CARRY, limbs.NUMBER
    if #record ~= 32 or #postings % 24 ~= 0 or #frames % 8 ~= 0 or #lost % ids.RECORD ~= 0
        or args[6] == '' then
        return { codes.BAD_LENGTH }
    end
    local bits = from('<I4', head, 13)
    if #touched * 8 < bits or #touched * 8 > bits + 7 then
        return { codes.BAD_LENGTH }
    end
    local partition, elow, ehigh, blow, bhigh, plow, phigh, flags =
        from('<I4I4I4I4I4I4I4I4', record)
    local epoch, batch, previous = ehigh * CARRY + elow, bhigh * CARRY + blow, phigh * CARRY + plow
    if partition >= 65536 or epoch == 0 or ehigh >= NUMBER or bhigh >= NUMBER
        or phigh >= NUMBER or previous >= batch or flags > 3 then
        return { codes.BAD_VALUE }
    end
    local coming = #lost == 0 and NONE or ids.of_records(lost, sub(record, 1, 4))
    if not coming then
        return { codes.BAD_VALUE }
    end
    local last, count, fault = read_postings(postings)
    if not last then
        return { count, fault }
    end
    local names = calls.names(sub(record, 1, 4))
    fields[1], fields[2], fields[3] = 'F', names.mark, names.answers
    for place = 1, count do
        local asset = assets[place]
        fields[last + place] = names[asset] or calls.sum(names, asset)
    end
    local values = calls.read(key, fields, last + count)
    if values[1] ~= opened[head] then
        refused = calls.unfounded(values[1], head, opened)
        if refused then
            return { refused }
        end
    end
    local seen, settled = calls.mark(values[2])
    if epoch < seen then
        return { codes.STALE_EPOCH, seen }
    end
    if settled >= batch then
        if epoch > seen then
            redis.call('HSET', key, fields[2], sub(record, 5, 12) .. sub(values[2], 9))
        end
        return { codes.REPEATED }
    end
    if settled ~= previous then
        return { codes.GAP, settled }
    end
    local text, kept, ended, missing = values[3] or '', nil, nil, 0
    if #frames > 0 then
        ended = flags % 2 == 1 and {} or nil
        kept, missing = answers.without(text, frames, ended)
        -- Before money is looked at: who has lost an answer has lost what was held for it.
        if missing > 0 and flags >= 2 then
            return { codes.MISSING_ANSWER, missing }
        end
    end
    writes[1], writes[2] = fields[2], sub(record, 5, 20) .. touched
    local code, place = post(values, last)
    if code then
        return { code, place }
    end
    local size, highest = count_up(2 * last - 4, values, last, count)
    if highest >= 0 then
        size = totals.mark(writes, size, redis.call('HGET', key, 'N'), highest, partition)
    end
    local going, gone = NONE, NONE
    if kept and #kept < #text then
        writes[size + 1], writes[size + 2] = fields[3], kept
        size = size + 2
    end
    if ended then
        going = ids.of_answers(ended, names.partition)
    end
    if #going > 0 or #lost > 0 then
        size, gone = change_ids(key, size, going, coming)
    end
    calls.write(key, writes, size)
    if gone ~= NONE then
        calls.remove(key, gone, #gone)
    end
    return { codes.DONE }
end

redis.register_function('nextrade_settle', settle)
