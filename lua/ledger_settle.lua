-- include: codes limbs calls totals
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
--          NOT_ASCENDING, TOO_LITTLE or OVERFLOW, with the posting at fault

-- Compute the balances after the postings. Adds them to `writes` and to `sums` (by asset).
-- Returns nil, or code and position of the posting that cannot be applied.
local function post(key, postings, writes, sums)
    local pack, from, sub = struct.pack, struct.unpack, string.sub
    local CARRY, TOP = limbs.CARRY, limbs.TOP
    local fields = {}
    for at = 1, #postings, 24 do
        fields[#fields + 1] = sub(postings, at, at + 7)
    end
    if #fields == 0 then
        return nil
    end
    local values = calls.read(key, fields)
    local last_account, last_asset, written = -1, -1, #writes
    for k = 1, #fields do
        local account, asset, dalow, dahigh, dhlow, dhhigh =
            from('<I4I4I4i4I4i4', postings, 24 * k - 23)
        if account < last_account or (account == last_account and asset <= last_asset) then
            return codes.NOT_ASCENDING, k - 1
        end
        if asset >= calls.NUMBERS then
            return codes.BAD_VALUE, k - 1
        end
        last_account, last_asset = account, asset
        local alow, ahigh, hlow, hhigh = 0, 0, 0, 0
        if values[k] then
            alow, ahigh, hlow, hhigh = from('<I4i4I4i4', values[k])
        end
        alow, ahigh = alow + dalow, ahigh + dahigh
        if alow >= CARRY then
            alow, ahigh = alow - CARRY, ahigh + 1
        end
        hlow, hhigh = hlow + dhlow, hhigh + dhhigh
        if hlow >= CARRY then
            hlow, hhigh = hlow - CARRY, hhigh + 1
        end
        if ahigh < 0 or hhigh < 0 then
            return codes.TOO_LITTLE, k - 1
        end
        if ahigh >= TOP or hhigh >= TOP then
            return codes.OVERFLOW, k - 1
        end
        local sum = sums[asset]
        if not sum then
            sum = totals.none()
            sums[asset] = sum
        end
        sum[1], sum[2] = sum[1] + dalow, sum[2] + dahigh
        sum[3], sum[4] = sum[3] + dhlow, sum[4] + dhhigh
        writes[written + 1] = fields[k]
        writes[written + 2] = pack('<I4i4I4i4', alow, ahigh, hlow, hhigh)
        written = written + 2
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
    local sub = string.sub
    local buckets = struct.unpack('<I4', head, 13)
    if #record ~= 28 or #touched ~= math.ceil(buckets / 8) or #postings % 24 ~= 0
        or #frames % 8 ~= 0 then
        return { codes.BAD_LENGTH }
    end
    local partition = struct.unpack('<I4', record)
    local epoch, batch = calls.number(record, 5), calls.number(record, 13)
    local previous = calls.number(record, 21)
    if partition >= calls.NUMBERS or not epoch or epoch == 0 or not batch or not previous
        or previous >= batch then
        return { codes.BAD_VALUE }
    end
    local name = sub(record, 1, 4)
    local state = redis.call('HMGET', key, 'F', 'E' .. name, 'W' .. name, 'N')
    refused = calls.unfounded(state[1], head)
    if refused then
        return { refused }
    end
    local seen, settled = calls.number(state[2]), calls.number(state[3])
    if epoch < seen then
        return { codes.STALE_EPOCH, seen }
    end
    local writes = {}
    if epoch > seen then
        writes = { 'E' .. name, sub(record, 5, 12) }
    end
    if settled >= batch then
        calls.write(key, writes)
        return { codes.REPEATED }
    end
    if settled ~= previous then
        return { codes.GAP, settled }
    end
    local sums = {}
    local code, fault = post(key, postings, writes, sums)
    if code then
        return { code, fault }
    end
    refused = totals.change(key, writes, sums, state[4], partition)
    if refused then
        return { refused, 0 }
    end
    writes[#writes + 1] = 'W' .. name
    writes[#writes + 1] = sub(record, 13, 20) .. touched
    calls.write(key, writes)
    local answers = {}
    for at = 1, #frames, 8 do
        answers[#answers + 1] = 'A' .. name .. sub(frames, at, at + 7)
    end
    for first = 1, #answers, calls.MOST do
        local last = math.min(first + calls.MOST - 1, #answers)
        redis.call('HDEL', key, unpack(answers, first, last))
    end
    return { codes.DONE }
end

redis.register_function('nextrade_settle', settle)
