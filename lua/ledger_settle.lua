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

-- Take the postings apart. Adds the fields of their balances to `fields`, and returns the
-- changes (low and high limb of available and held, one posting after the other), the assets in
-- the order of their appearance, and the sums of the changes by asset. Returns nil, code and
-- position of the posting that is malformed.
local function read_postings(postings, fields)
    local from, sub, NUMBERS = struct.unpack, string.sub, calls.NUMBERS
    local changes, assets, sums, size, at_change = {}, {}, {}, #fields, 0
    local last_account, last_asset = -1, -1
    for at = 1, #postings, 24 do
        local account, asset, alow, ahigh, hlow, hhigh = from('<I4I4I4i4I4i4', postings, at)
        if account < last_account or (account == last_account and asset <= last_asset) then
            return nil, codes.NOT_ASCENDING, (at - 1) / 24
        end
        local sum = sums[asset]
        if sum then
            sum[1], sum[2] = sum[1] + alow, sum[2] + ahigh
            sum[3], sum[4] = sum[3] + hlow, sum[4] + hhigh
        else
            if asset >= NUMBERS then
                return nil, codes.BAD_VALUE, (at - 1) / 24
            end
            sums[asset] = { alow, ahigh, hlow, hhigh }
            assets[#assets + 1] = asset
        end
        last_account, last_asset = account, asset
        size = size + 1
        fields[size] = sub(postings, at, at + 7)
        changes[at_change + 1], changes[at_change + 2] = alow, ahigh
        changes[at_change + 3], changes[at_change + 4] = hlow, hhigh
        at_change = at_change + 4
    end
    return changes, assets, sums
end

-- Add to `writes` the balances after their changes; `first` is the place of the first of them in
-- `fields` and `values`. Returns nil, or code and position of the posting that cannot be applied.
local function post(writes, fields, values, first, changes)
    local pack, from, CARRY, TOP = struct.pack, struct.unpack, limbs.CARRY, limbs.TOP
    local size = #writes
    for at = 1, #changes, 4 do
        local place = first + (at - 1) / 4
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
            return codes.TOO_LITTLE, place - first
        end
        if ahigh >= TOP or hhigh >= TOP then
            return codes.OVERFLOW, place - first
        end
        writes[size + 1] = fields[place]
        writes[size + 2] = pack('<I4i4I4i4', alow, ahigh, hlow, hhigh)
        size = size + 2
    end
    return nil
end

local function settle(keys, args)
    local key, head, record, touched = keys[1], args[1], args[2], args[3]
    local postings, frames = args[4], args[5]
    local refused = calls.refused(keys, args, 5, codes.CALL_SETTLE)
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
    local fields = { 'F', 'W' .. name, 'A' .. name }
    local changes, assets, sums = read_postings(postings, fields)
    if not changes then
        return { assets, sums }
    end
    local first_sum = #fields
    for place, asset in ipairs(assets) do
        fields[first_sum + place] = 'P' .. name .. pack('<I4', asset)
    end
    local values = calls.read(key, fields)
    refused = calls.unfounded(values[1], head)
    if refused then
        return { refused }
    end
    local seen, settled, rest = calls.mark(values[2])
    if epoch < seen then
        return { codes.STALE_EPOCH, seen }
    end
    if settled >= batch then
        if epoch > seen then
            redis.call('HSET', key, fields[2], sub(record, 5, 12) .. rest)
        end
        return { codes.REPEATED }
    end
    if settled ~= previous then
        return { codes.GAP, settled }
    end
    local writes = { fields[2], sub(record, 5, 20) .. touched }
    local code, fault = post(writes, fields, values, 4, changes)
    if code then
        return { code, fault }
    end
    local highest = -1
    for place, asset in ipairs(assets) do
        local sum, before = sums[asset], values[first_sum + place]
        totals.settled(writes, fields[first_sum + place], before, sum[1], sum[2], sum[3], sum[4])
        if not before then
            highest = math.max(highest, asset)
        end
    end
    if highest >= 0 then
        totals.mark(writes, redis.call('HGET', key, 'N'), highest, partition)
    end
    if values[3] and #values[3] > 0 and #frames > 0 then
        local kept = answers.without(values[3], frames)
        if #kept < #values[3] then
            writes[#writes + 1] = fields[3]
            writes[#writes + 1] = kept
        end
    end
    calls.write(key, writes)
    return { codes.DONE }
end

redis.register_function('nextrade_settle', settle)
