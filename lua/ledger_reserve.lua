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
-- Of each frame: where it begins, its answer. Of each balance, in the order of their appearance
-- and behind three other fields: its field, four limbs, whether they changed. Of each request:
-- the places of its balance and of its asset, low and high limb of its amount. Of each asset, in
-- the order of their appearance: what was held, low and high limb, and -1 if nothing.
local begins, given, granted, writes, requests = {}, {}, {}, {}, {}
local fields, changed = {}, {}
local available_low, available_high, held_low, held_high = {}, {}, {}, {}
local assets, place_of, sums_low, sums_high = {}, {}, {}, {}

-- The founding of each bucket by the head of the calls to it, once both have been checked.
local opened = {}

-- Take the frames apart into these tables. Returns the numbers of frames, fields and assets. Or
-- nil and the code that refuses what is malformed.
local function read_frames(asked)
    local from, sub, fields, requests = struct.unpack, string.sub, fields, requests
    local frames, size, count, filled, places = 0, 3, 0, 0, {}
    local at, length, asset_place, last_asset = 1, #asked, nil, -1
    while at <= length do
        if length - at + 1 < answers.HEAD then
            return nil, codes.BAD_LENGTH
        end
        frames = frames + 1
        begins[frames] = at
        local after = at + answers.HEAD + 16 * from('<I4', asked, at + 8)
        if after > length + 1 then
            return nil, codes.BAD_LENGTH
        end
        for request = at + answers.HEAD, after - 1, 16 do
            local asset, low, high = from('<I4I4i4', asked, request + 4)
            if asset >= 65536 or high < 0 or (high == 0 and low == 0) then
                return nil, codes.BAD_VALUE
            end
            if asset ~= last_asset then
                -- What earlier calls left in `place_of` is of no use if it points elsewhere.
                asset_place, last_asset = place_of[asset], asset
                if not asset_place or asset_place > count or assets[asset_place] ~= asset then
                    count = count + 1
                    asset_place, place_of[asset], assets[count] = count, count, asset
                    sums_low[count], sums_high[count] = -1, 0
                end
            end
            local field = sub(asked, request, request + 7)
            local place = places[field]
            if not place then
                size = size + 1
                place, places[field], fields[size] = size, size, field
            end
            requests[filled + 1], requests[filled + 2] = place, asset_place
            requests[filled + 3], requests[filled + 4] = low, high
            filled = filled + 4
        end
        at = after
    end
    begins[frames + 1] = at
    return frames, size, count
end

-- Take apart the values of the balances, up to the place `last`.
local function read_balances(values, last)
    local from = struct.unpack
    for place = 4, last do
        local value = values[place]
        changed[place] = false
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
-- to held where there is enough. Returns the answer's bytes.
local function hold_each(first, last)
    local CARRY, TOP, requests = limbs.CARRY, limbs.TOP, requests
    local count = 0
    for at = first, last, 4 do
        local place, low, high = requests[at], requests[at + 2], requests[at + 3]
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
            granted[count], changed[place] = '\1', true
            available_low[place], available_high[place] = alow, ahigh
            held_low[place], held_high[place] = hlow, hhigh
            local asset_place = requests[at + 1]
            local sum = sums_low[asset_place]
            sums_low[asset_place] = (sum < 0 and 0 or sum) + low
            sums_high[asset_place] = sums_high[asset_place] + high
        else
            granted[count] = '\0'
        end
    end
    return table.concat(granted, '', 1, count)
end

-- Put the balances and sums that were changed into `writes`, which has `size` entries. Returns
-- the size after it, and the highest asset that the partition had not touched here, or -1.
local function write_changes(size, values, last, count)
    local pack = struct.pack
    for place = 4, last do
        if changed[place] then
            writes[size + 1] = fields[place]
            writes[size + 2] = pack(
                '<I4i4I4i4', available_low[place], available_high[place],
                held_low[place], held_high[place]
            )
            size = size + 2
        end
    end
    local highest = -1
    for place = 1, count do
        local low, high = sums_low[place], sums_high[place]
        if low >= 0 then
            local before, asset = values[last + place], assets[place]
            writes[size + 1] = fields[last + place]
            writes[size + 2] = totals.settled(before, -low, -high, low, high)
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
    local from, sub, CARRY, NUMBER = struct.unpack, string.sub, limbs.CARRY, limbs.NUMBER
    if #record ~= 20 then
        return { codes.BAD_LENGTH }
    end
    local partition, elow, ehigh, wlow, whigh = from('<I4I4I4I4I4', record)
    local epoch, watermark = ehigh * CARRY + elow, whigh * CARRY + wlow
    if partition >= 65536 or epoch == 0 or ehigh >= NUMBER or whigh >= NUMBER then
        return { codes.BAD_VALUE }
    end
    local frames, last, count = read_frames(asked)
    if not frames then
        return { last }
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

    local text = values[3] or ''
    local known, kept, request = answers.by_frame(text), { text }, 1
    read_balances(values, last)
    for number = 1, frames do
        local at, after = begins[number], begins[number + 1]
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
            given[number] = hold_each(request, next_request - 1)
            answer = question .. given[number]
            known[frame], kept[#kept + 1] = answer, answer
        end
        request = next_request
    end

    local size, code = 0, codes.REPEATED
    if epoch > seen then
        local rest = values[2] and sub(values[2], 9) or '\0\0\0\0\0\0\0\0'
        writes[1], writes[2], size = fields[2], sub(record, 5, 12) .. rest, 2
    end
    if #kept > 1 then
        code = codes.DONE
        writes[size + 1], writes[size + 2] = fields[3], table.concat(kept)
        local highest
        size, highest = write_changes(size + 2, values, last, count)
        if highest >= 0 then
            size = totals.mark(writes, size, redis.call('HGET', key, 'N'), highest, partition)
        end
    end
    calls.write(key, writes, size)
    return { code, table.concat(given, '', 1, frames) }
end

redis.register_function('nextrade_reserve', reserve)
