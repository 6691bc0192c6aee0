-- include: codes limbs calls totals answers
-- Apply the postings of a batch to one bucket, exactly once, and forget the answers to frames.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  partition u32, epoch u64, batch u64, previous u64: 28 bytes; `previous` is the last
--          batch before this one that touched this bucket
-- ARGV[3]  a bit for each bucket that the batch touches
-- ARGV[4]  postings of 24 bytes: account u32, asset u32, available i64, held i64, ascending
-- ARGV[5]  frames, u64 each
-- Returns  DONE or REPEATED; STALE_EPOCH, epoch; GAP, last batch settled here;
--          NOT_ASCENDING, BAD_VALUE, TOO_LITTLE or OVERFLOW, with the posting at fault

-- Tables that every call fills anew: making them grow costs more than what a small call does.
local fields, changes, writes = {}, {}, {}

-- The founding of each bucket by the head of the calls to it, once both have been checked.
local opened = {}

-- Take the postings apart: the fields of their balances go to `fields` behind the first three,
-- their changes to `changes`, four limbs for each. Returns the number of fields, the assets in
-- the order of their appearance, and the sums of the changes by asset. Returns nil, code and
-- position of the posting that is malformed.
local function read_postings(postings)
    local from, sub, NUMBERS = struct.unpack, string.sub, calls.NUMBERS
    local assets, sums, size, filled = {}, {}, 3, 0
    local last_account, last_asset, sum, summed = -1, -1, nil, nil
    for at = 1, #postings, 24 do
        local account, asset, alow, ahigh, hlow, hhigh = from('<I4I4I4i4I4i4', postings, at)
        if account < last_account or (account == last_account and asset <= last_asset) then
            return nil, codes.NOT_ASCENDING, (at - 1) / 24
        end
        if asset ~= summed then
            sum, summed = sums[asset], asset
        end
        if sum then
            sum[1], sum[2] = sum[1] + alow, sum[2] + ahigh
            sum[3], sum[4] = sum[3] + hlow, sum[4] + hhigh
        else
            if asset >= NUMBERS then
                return nil, codes.BAD_VALUE, (at - 1) / 24
            end
            sum = { alow, ahigh, hlow, hhigh }
            sums[asset] = sum
            assets[#assets + 1] = asset
        end
        last_account, last_asset, size = account, asset, size + 1
        fields[size] = sub(postings, at, at + 7)
        changes[filled + 1], changes[filled + 2] = alow, ahigh
        changes[filled + 3], changes[filled + 4] = hlow, hhigh
        filled = filled + 4
    end
    return size, assets, sums
end

-- Put the balances after their changes into `writes`, behind the first two; `last` is the place
-- of the last one in `fields` and `values`. Returns nil, or code and position of the posting
-- that cannot be applied.
local function post(values, last)
    local pack, from, CARRY, TOP = struct.pack, struct.unpack, limbs.CARRY, limbs.TOP
    local at = 1
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
        local size = 2 * place - 6
        writes[size + 1] = fields[place]
        writes[size + 2] = pack('<I4i4I4i4', alow, ahigh, hlow, hhigh)
        at = at + 4
    end
    return nil
end

local function settle(keys, args)
    local key, head, record, touched = keys[1], args[1], args[2], args[3]
    local postings, frames = args[4], args[5]
    local refused = calls.refused(keys, args, 5, codes.CALL_SETTLE, opened)
    if refused then
        return { refused }
    end
    local from, pack, sub, number = struct.unpack, struct.pack, string.sub, limbs.number
    if #record ~= 28 or #touched ~= math.ceil(from('<I4', head, 13) / 8)
        or #postings % 24 ~= 0 or #frames % 8 ~= 0 then
        return { codes.BAD_LENGTH }
    end
    local partition, elow, ehigh, blow, bhigh, plow, phigh = from('<I4I4I4I4I4I4I4', record)
    local epoch, batch, previous = number(elow, ehigh), number(blow, bhigh), number(plow, phigh)
    if partition >= calls.NUMBERS or not epoch or epoch == 0 or not batch or not previous
        or previous >= batch then
        return { codes.BAD_VALUE }
    end
    local name = sub(record, 1, 4)
    local mark_field, answers_field = 'W' .. name, 'A' .. name
    local last, assets, sums = read_postings(postings)
    if not last then
        return { assets, sums }
    end
    fields[1], fields[2], fields[3] = 'F', mark_field, answers_field
    for place = 1, #assets do
        fields[last + place] = 'P' .. name .. pack('<I4', assets[place])
    end
    local values = calls.read(key, fields, last + #assets)
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
            redis.call('HSET', key, mark_field, sub(record, 5, 12) .. sub(values[2], 9))
        end
        return { codes.REPEATED }
    end
    if settled ~= previous then
        return { codes.GAP, settled }
    end
    writes[1], writes[2] = mark_field, sub(record, 5, 20) .. touched
    local code, fault = post(values, last)
    if code then
        return { code, fault }
    end
    local size, highest = 2 * last - 4, -1
    for place = 1, #assets do
        local asset = assets[place]
        local sum, before = sums[asset], values[last + place]
        writes[size + 1] = fields[last + place]
        writes[size + 2] = totals.settled(before, sum[1], sum[2], sum[3], sum[4])
        size = size + 2
        if not before and asset > highest then
            highest = asset
        end
    end
    if highest >= 0 then
        size = totals.mark(writes, size, redis.call('HGET', key, 'N'), highest, partition)
    end
    local text = values[3]
    if text and #text > 0 and #frames > 0 then
        local kept = answers.without(text, frames)
        if #kept < #text then
            writes[size + 1], writes[size + 2] = answers_field, kept
            size = size + 2
        end
    end
    calls.write(key, writes, size)
    return { codes.DONE }
end

redis.register_function('nextrade_settle', settle)
