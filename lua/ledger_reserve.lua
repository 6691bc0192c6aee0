-- include: codes limbs calls totals
-- Hold what the orders of a frame need, in their order, and keep the answer.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  partition u32, frame u64, epoch u64, watermark u64: 28 bytes; the last is the batch
--          that the sender knows to be settled here. A copy of a call that was on its way for
--          long, past the batch that ended its frame, would hold what nobody gives back.
-- ARGV[3]  requests of 16 bytes: account u32, asset u32, amount i64 (above zero)
-- Returns  DONE or REPEATED, and a byte for each request: 1 held, 0 refused;
--          STALE_EPOCH, epoch; LATE, last batch settled here; REUSED if the frame asked for
--          something else before

-- Move each amount from available to held where there is enough. `balances` is filled with the
-- limbs of each balance touched. Returns the answer's bytes and the change of each asset's total.
local function hold_each(requests, fields, balances)
    local from = struct.unpack
    local granted, held = {}, {}
    for k, field in ipairs(fields) do
        local asset, low, high = from('<I4I4i4', requests, 16 * k - 11)
        local balance = balances[field]
        if limbs.less(balance[1], balance[2], low, high) then
            granted[k] = '\0'
        else
            local alow, ahigh = balance[1] - low, balance[2] - high
            if alow < 0 then
                alow, ahigh = alow + limbs.CARRY, ahigh - 1
            end
            local hlow, hhigh = balance[3] + low, balance[4] + high
            if hlow >= limbs.CARRY then
                hlow, hhigh = hlow - limbs.CARRY, hhigh + 1
            end
            if hhigh >= limbs.TOP then
                granted[k] = '\0'
            else
                granted[k] = '\1'
                balance[1], balance[2], balance[3], balance[4] = alow, ahigh, hlow, hhigh
                balance.touched = true
                local sum = held[asset]
                if not sum then
                    sum = totals.none()
                    held[asset] = sum
                end
                sum[1], sum[2] = sum[1] - low, sum[2] - high
                sum[3], sum[4] = sum[3] + low, sum[4] + high
            end
        end
    end
    return table.concat(granted), held
end

local function reserve(keys, args)
    local key, head, record, requests = keys[1], args[1], args[2], args[3]
    local refused = calls.refused(keys, args, 3, codes.CALL_RESERVE)
    if refused then
        return { refused }
    end
    if #record ~= 28 or #requests % 16 ~= 0 then
        return { codes.BAD_LENGTH }
    end
    local pack, from, sub = struct.pack, struct.unpack, string.sub
    local partition = from('<I4', record)
    local epoch, watermark = calls.number(record, 13), calls.number(record, 21)
    if partition >= calls.NUMBERS or not epoch or epoch == 0 or not watermark then
        return { codes.BAD_VALUE }
    end
    local name = sub(record, 1, 4)
    local epoch_field, answer_field = 'E' .. name, 'A' .. sub(record, 1, 12)
    local state = redis.call('HMGET', key, 'F', epoch_field, answer_field, 'N', 'W' .. name)
    refused = calls.unfounded(state[1], head)
    if refused then
        return { refused }
    end
    local seen = calls.number(state[2])
    if epoch < seen then
        return { codes.STALE_EPOCH, seen }
    end
    local digest = sub(redis.sha1hex(requests), 1, 16)
    local writes = {}
    if epoch > seen then
        writes = { epoch_field, sub(record, 13, 20) }
    end
    if state[3] then
        if sub(state[3], 1, 16) ~= digest then
            return { codes.REUSED }
        end
        calls.write(key, writes)
        return { codes.REPEATED, sub(state[3], 17) }
    end
    local settled = calls.number(state[5])
    if settled > watermark then
        return { codes.LATE, settled }
    end

    local fields, names, balances = {}, {}, {}
    for at = 1, #requests, 16 do
        local asset, low, high = from('<I4I4i4', requests, at + 4)
        if asset >= calls.NUMBERS or high < 0 or (high == 0 and low == 0) then
            return { codes.BAD_VALUE }
        end
        local field = sub(requests, at, at + 7)
        fields[#fields + 1] = field
        if not balances[field] then
            balances[field] = { 0, 0, 0, 0 }
            names[#names + 1] = field
        end
    end
    local values = calls.read(key, #names > 0 and names or { 'F' })
    for k, field in ipairs(names) do
        local balance = balances[field]
        if values[k] then
            balance[1], balance[2], balance[3], balance[4] = from('<I4i4I4i4', values[k])
        end
    end
    local granted, held = hold_each(requests, fields, balances)
    refused = totals.change(key, writes, held, state[4])
    if refused then
        return { refused }
    end
    for _, field in ipairs(names) do
        local balance = balances[field]
        if balance.touched then
            writes[#writes + 1] = field
            writes[#writes + 1] = pack(
                '<I4i4I4i4', balance[1], balance[2], balance[3], balance[4]
            )
        end
    end
    writes[#writes + 1] = answer_field
    writes[#writes + 1] = digest .. granted
    calls.write(key, writes)
    return { codes.DONE, granted }
end

redis.register_function('nextrade_reserve', reserve)
