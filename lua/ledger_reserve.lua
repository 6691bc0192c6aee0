-- include: codes limbs calls totals answers
-- Hold what the orders of some frames need, in their order, and keep the answers.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  partition u32, epoch u64, watermark u64: 20 bytes; the last is the batch that the
--          sender knows to be the last one settled here when the call arrives. A copy of a call
--          that was on its way for long, past the batch that ended its frames, would hold what
--          nobody gives back; a call that overtook the batch before would find other balances.
-- ARGV[3]  frames, each: frame u64, number of requests u32, and requests of 16 bytes: account
--          u32, asset u32, amount i64 (above zero)
-- Returns  DONE, or REPEATED if all was answered before, and a byte for each request of each
--          frame: 1 held, 0 refused; STALE_EPOCH, epoch; LATE or EARLY, last batch settled here;
--          REUSED if a frame asked for something else before

-- Take the frames apart. Adds the fields of the balances they name to `fields`, each once, and
-- returns where each frame begins, and for each request the place of its balance in `fields`,
-- its asset, and low and high limb of its amount, one after the other; and the assets in the
-- order of their appearance. Returns nil and the code that refuses what is malformed.
local function read_frames(asked, fields)
    local from, sub, NUMBERS = struct.unpack, string.sub, calls.NUMBERS
    local begins, requests, assets, places, seen = {}, {}, {}, {}, {}
    local at, size, filled, length = 1, #fields, 0, #asked
    while at <= length do
        if length - at + 1 < answers.HEAD then
            return nil, codes.BAD_LENGTH
        end
        begins[#begins + 1] = at
        local after = at + answers.HEAD + 16 * from('<I4', asked, at + 8)
        if after > length + 1 then
            return nil, codes.BAD_LENGTH
        end
        for request = at + answers.HEAD, after - 1, 16 do
            local asset, low, high = from('<I4I4i4', asked, request + 4)
            if asset >= NUMBERS or high < 0 or (high == 0 and low == 0) then
                return nil, codes.BAD_VALUE
            end
            local field = sub(asked, request, request + 7)
            local place = places[field]
            if not place then
                size = size + 1
                place, places[field], fields[size] = size, size, field
            end
            if not seen[asset] then
                seen[asset] = true
                assets[#assets + 1] = asset
            end
            requests[filled + 1], requests[filled + 2] = place, asset
            requests[filled + 3], requests[filled + 4] = low, high
            filled = filled + 4
        end
        at = after
    end
    return begins, requests, assets
end

-- Move each amount of a frame from available to held where there is enough. `balances` holds
-- four limbs for each place, filled from `values` when first needed; `sums` what was held, by
-- asset. Returns the answer's bytes.
local function hold_each(requests, first, last, values, balances, sums)
    local from, CARRY, TOP = struct.unpack, limbs.CARRY, limbs.TOP
    local granted = {}
    for at = first, last, 4 do
        local place, asset, low, high =
            requests[at], requests[at + 1], requests[at + 2], requests[at + 3]
        local balance, answer = balances[place], '\0'
        if not balance and values[place] then
            balance = { from('<I4i4I4i4', values[place]) }
            balances[place] = balance
        end
        if balance then
            local alow, ahigh = balance[1] - low, balance[2] - high
            if alow < 0 then
                alow, ahigh = alow + CARRY, ahigh - 1
            end
            local hlow, hhigh = balance[3] + low, balance[4] + high
            if hlow >= CARRY then
                hlow, hhigh = hlow - CARRY, hhigh + 1
            end
            if ahigh >= 0 and hhigh < TOP then
                answer = '\1'
                balance[1], balance[2], balance[3], balance[4] = alow, ahigh, hlow, hhigh
                balance[5] = true
                local sum = sums[asset]
                if sum then
                    sum[1], sum[2] = sum[1] + low, sum[2] + high
                else
                    sums[asset] = { low, high }
                end
            end
        end
        granted[#granted + 1] = answer
    end
    return table.concat(granted)
end

-- Add to `writes` the balances and sums that were changed.
local function write_changes(key, writes, fields, values, balances, assets, sums, partition)
    local pack = struct.pack
    local first_sum, highest, size = #fields - #assets, -1, #writes
    for place = 4, first_sum do
        local balance = balances[place]
        if balance and balance[5] then
            writes[size + 1] = fields[place]
            writes[size + 2] = pack('<I4i4I4i4', balance[1], balance[2], balance[3], balance[4])
            size = size + 2
        end
    end
    for place, asset in ipairs(assets) do
        local sum, before = sums[asset], values[first_sum + place]
        if sum then
            local field, low, high = fields[first_sum + place], sum[1], sum[2]
            totals.settled(writes, field, before, -low, -high, low, high)
            if not before then
                highest = math.max(highest, asset)
            end
        end
    end
    if highest >= 0 then
        totals.mark(writes, redis.call('HGET', key, 'N'), highest, partition)
    end
end

local function reserve(keys, args)
    local key, head, record, asked = keys[1], args[1], args[2], args[3]
    local refused = calls.refused(keys, args, 3, codes.CALL_RESERVE)
    if refused then
        return { refused }
    end
    local from, pack, sub = struct.unpack, struct.pack, string.sub
    if #record ~= 20 then
        return { codes.BAD_LENGTH }
    end
    local partition, elow, ehigh, wlow, whigh = from('<I4I4I4I4I4', record)
    local epoch, watermark = limbs.number(elow, ehigh), limbs.number(wlow, whigh)
    if partition >= calls.NUMBERS or not epoch or epoch == 0 or not watermark then
        return { codes.BAD_VALUE }
    end
    local name = sub(record, 1, 4)
    local fields = { 'F', 'W' .. name, 'A' .. name }
    local begins, requests, assets = read_frames(asked, fields)
    if not begins then
        return { requests }
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

    local text = values[3] or ''
    local known, kept, granted, balances, sums = answers.by_frame(text), { text }, {}, {}, {}
    local request = 1
    for number, at in ipairs(begins) do
        local before_next = (begins[number + 1] or #asked + 1) - 1
        local question, frame = sub(asked, at, before_next), sub(asked, at, at + 7)
        local last, answer = request + (#question - answers.HEAD) / 4 - 1, known[frame]
        if answer then
            if sub(answer, 1, #question) ~= question then
                return { codes.REUSED }
            end
            granted[number] = sub(answer, #question + 1)
        else
            if settled ~= watermark then
                return { settled > watermark and codes.LATE or codes.EARLY, settled }
            end
            granted[number] = hold_each(requests, request, last, values, balances, sums)
            answer = question .. granted[number]
            known[frame], kept[#kept + 1] = answer, answer
        end
        request = last + 1
    end

    local writes = {}
    if epoch > seen then
        writes = { fields[2], sub(record, 5, 12) .. rest }
    end
    local code = codes.REPEATED
    if #kept > 1 then
        code = codes.DONE
        writes[#writes + 1] = fields[3]
        writes[#writes + 1] = table.concat(kept)
        write_changes(key, writes, fields, values, balances, assets, sums, partition)
    end
    calls.write(key, writes)
    return { code, table.concat(granted) }
end

redis.register_function('nextrade_reserve', reserve)
