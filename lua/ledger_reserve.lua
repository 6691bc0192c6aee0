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

-- Tables that every call fills anew: making them grow costs more than what a small call does.
-- Of each balance, in the order of their appearance, behind three other fields: its field and
-- four limbs. Of each request: the place of its balance, its asset, low and high limb of its
-- amount.
local fields, writes, requests, granted = {}, {}, {}, {}
local available_low, available_high, held_low, held_high = {}, {}, {}, {}

-- The founding of each bucket by the head of the calls to it, once both have been checked.
local opened = {}

-- Take the frames apart into `fields` and `requests`. Returns where each frame begins, the
-- number of fields, and the assets in the order of their appearance. Returns nil and the code
-- that refuses what is malformed.
local function read_frames(asked)
    local from, sub, NUMBERS = struct.unpack, string.sub, calls.NUMBERS
    local begins, assets, places, seen = {}, {}, {}, {}
    local at, size, filled, length, last_asset = 1, 3, 0, #asked, -1
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
            if asset ~= last_asset then
                last_asset = asset
                if not seen[asset] then
                    seen[asset], assets[#assets + 1] = true, asset
                end
            end
            local field = sub(asked, request, request + 7)
            local place = places[field]
            if not place then
                size = size + 1
                place, places[field], fields[size] = size, size, field
            end
            requests[filled + 1], requests[filled + 2] = place, asset
            requests[filled + 3], requests[filled + 4] = low, high
            filled = filled + 4
        end
        at = after
    end
    return begins, size, assets
end

-- Take apart the values of the balances, up to the place `last`.
local function read_balances(values, last)
    local from = struct.unpack
    for place = 4, last do
        local value = values[place]
        if value then
            available_low[place], available_high[place], held_low[place], held_high[place] =
                from('<I4i4I4i4', value)
        else
            available_low[place], available_high[place] = 0, 0
            held_low[place], held_high[place] = 0, 0
        end
    end
end

-- Move each amount of a frame, whose requests stand between `first` and `last`, from available
-- to held where there is enough. Adds what was held to `sums` by asset, and the places touched
-- to `touched`. Returns the answer's bytes.
local function hold_each(first, last, sums, touched)
    local CARRY, TOP = limbs.CARRY, limbs.TOP
    local count = 0
    for at = first, last, 4 do
        local place, asset, low, high =
            requests[at], requests[at + 1], requests[at + 2], requests[at + 3]
        local alow, ahigh = available_low[place] - low, available_high[place] - high
        if alow < 0 then
            alow, ahigh = alow + CARRY, ahigh - 1
        end
        local hlow, hhigh = held_low[place] + low, held_high[place] + high
        if hlow >= CARRY then
            hlow, hhigh = hlow - CARRY, hhigh + 1
        end
        count = count + 1
        if ahigh >= 0 and hhigh < TOP then
            granted[count], touched[place] = '\1', true
            available_low[place], available_high[place] = alow, ahigh
            held_low[place], held_high[place] = hlow, hhigh
            local sum = sums[asset]
            if sum then
                sum[1], sum[2] = sum[1] + low, sum[2] + high
            else
                sums[asset] = { low, high }
            end
        else
            granted[count] = '\0'
        end
    end
    return table.concat(granted, '', 1, count)
end

-- Put the balances and sums that were changed into `writes`, which has `size` entries. Returns
-- the size after it, and the highest asset that the partition had not touched here, or -1.
local function write_changes(size, values, last, assets, sums, touched)
    local pack = struct.pack
    for place = 4, last do
        if touched[place] then
            writes[size + 1] = fields[place]
            writes[size + 2] = pack(
                '<I4i4I4i4', available_low[place], available_high[place],
                held_low[place], held_high[place]
            )
            size = size + 2
        end
    end
    local highest = -1
    for place = 1, #assets do
        local asset, before = assets[place], values[last + place]
        local sum = sums[asset]
        if sum then
            writes[size + 1] = fields[last + place]
            writes[size + 2] = totals.settled(before, -sum[1], -sum[2], sum[1], sum[2])
            size = size + 2
            if not before and asset > highest then
                highest = asset
            end
        end
    end
    return size, highest
end

local function reserve(keys, args)
    local key, head, record, asked = keys[1], args[1], args[2], args[3]
    local refused = calls.refused(keys, args, 3, codes.CALL_RESERVE, opened)
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
    local mark_field, answers_field = 'W' .. name, 'A' .. name
    local begins, last, assets = read_frames(asked)
    if not begins then
        return { last }
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

    local text = values[3] or ''
    local known, kept, given, sums, touched = answers.by_frame(text), { text }, {}, {}, {}
    local request = 1
    read_balances(values, last)
    for number = 1, #begins do
        local at, after = begins[number], begins[number + 1] or #asked + 1
        local question, frame = sub(asked, at, after - 1), sub(asked, at, at + 7)
        local next_request = request + (after - at - answers.HEAD) / 4
        local answer = known[frame]
        if answer then
            if sub(answer, 1, #question) ~= question then
                return { codes.REUSED }
            end
            given[number] = sub(answer, #question + 1)
        else
            if settled ~= watermark then
                return { settled > watermark and codes.LATE or codes.EARLY, settled }
            end
            given[number] = hold_each(request, next_request - 1, sums, touched)
            answer = question .. given[number]
            known[frame], kept[#kept + 1] = answer, answer
        end
        request = next_request
    end

    local size, code = 0, codes.REPEATED
    if epoch > seen then
        local rest = values[2] and sub(values[2], 9) or '\0\0\0\0\0\0\0\0'
        writes[1], writes[2], size = mark_field, sub(record, 5, 12) .. rest, 2
    end
    if #kept > 1 then
        code = codes.DONE
        writes[size + 1], writes[size + 2] = answers_field, table.concat(kept)
        local highest
        size, highest = write_changes(size + 2, values, last, assets, sums, touched)
        if highest >= 0 then
            size = totals.mark(writes, size, redis.call('HGET', key, 'N'), highest, partition)
        end
    end
    calls.write(key, writes, size)
    return { code, table.concat(given) }
end

redis.register_function('nextrade_reserve', reserve)
