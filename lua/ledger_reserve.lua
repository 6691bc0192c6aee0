-- include: codes limbs calls totals answers ids
-- Hold what the orders of some frames need, in their order, and keep the answers.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  partition u32, epoch u64, watermark u64, most u32: 24 bytes; the bucket shall not keep
--          more client order ids than `most`; the watermark is the batch that the sender knows to
--          be the last one settled here when the call arrives. A copy of a call that was on its
--          way for long, past the batch that ended its frames, would hold what nobody gives back;
--          a call that overtook the batch before would find other balances.
-- ARGV[3]  frames, each: frame u64, number of requests u32, and requests of 16 bytes: account
--          u32, asset u32, amount i64 (above zero); or, if the top bit of the number is set, of 64
--          bytes, which carry client order ids (include/ids.lua)
-- Returns  DONE, or REPEATED if all was answered before, and a byte for each request of each
--          frame: 2 its client order id is in use, else 3 too many of these are kept, else 1 held
--          (and the id kept), or 0 refused; STALE_EPOCH, epoch; LATE or EARLY, last batch
--          settled here; REUSED if a frame asked for something else before

-- Tables that every call fills anew: making them grow costs more than what a small call does.
-- Of each frame: where it begins, the size of its requests, its answer. Of each balance, in the
-- order of their appearance and behind three other fields: its field, four limbs, whether they
-- changed. Of each request: the places of its balance and of its asset, low and high limb of its
-- amount. Of each asset, in the order of their appearance: what was held, low and high limb, and
-- -1 if nothing.
local begins, sizes, given, granted, writes, requests = {}, {}, {}, {}, {}, {}
local fields, changed = {}, {}
local available_low, available_high, held_low, held_high = {}, {}, {}, {}
local assets, place_of, sums_low, sums_high = {}, {}, {}, {}

-- Client order ids, filled anew by calls that have some: the place of the id of each request of
-- such a frame among the ids, or false; of each id: its field, whether it is in use. Of those that
-- are kept now: field and value.
local id_of, id_fields, id_used, id_writes = {}, {}, {}, {}

-- The founding of each bucket by the head of the calls to it, once both have been checked.
local opened = {}

-- Take the ids of a frame apart, which stand behind `number` requests; so many ids were found
-- before it. Returns how many there are then, or nil if one is malformed.
local function read_ids(asked, at, after, number, found, places)
    for request = at + answers.HEAD, after - 1, answers.NAMED do
        local field = ids.field(asked, request)
        if field == nil then
            return nil
        end
        if field and not places[field] then
            found = found + 1
            places[field], id_fields[found] = found, field
        end
        number = number + 1
        id_of[number] = field and places[field]
    end
    return found
end

-- Take the frames apart into these tables. Returns the numbers of frames, fields, assets, and
-- client order ids, or nil if no frame can have any. Or nil and the code that refuses what is
-- malformed.
local function read_frames(asked)
    local from, sub, fields, requests = struct.unpack, string.sub, fields, requests
    local frames, size, count, filled, places = 0, 3, 0, 0, {}
    local at, length, asset_place, last_asset = 1, #asked, nil, -1
    local found, id_places = nil, nil
    while at <= length do
        if length - at + 1 < answers.HEAD then
            return nil, codes.BAD_LENGTH
        end
        frames = frames + 1
        begins[frames] = at
        local requested, each = from('<I4', asked, at + 8), 16
        if requested >= 2147483648 then
            requested, each = requested - 2147483648, 64
        end
        sizes[frames] = each
        local after = at + answers.HEAD + each * requested
        if after > length + 1 then
            return nil, codes.BAD_LENGTH
        end
        if each == 64 then
            found, id_places = found or 0, id_places or {}
            found = read_ids(asked, at, after, filled / 4, found, id_places)
            if not found then
                return nil, codes.BAD_VALUE
            end
        end
        for request = at + answers.HEAD, after - 1, each do
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
    return frames, size, count, found
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

-- The same for a frame whose requests carry client order ids, of which so many are kept and
-- `most` may be; the frame stands in `asked` at a place. Returns the bytes, and how many are kept.
local function hold_named(first, last, kept, most, asked, at, partition)
    local bytes, frame = {}, string.sub(asked, at, at + 7)
    for place = first, last, 4 do
        local id = id_of[(place + 3) / 4]
        local answer
        if id and id_used[id] then
            answer = '\2'
        elseif id and kept >= most then
            answer = '\3'
        else
            answer = hold_each(place, place + 3)
            if id and answer == '\1' then
                local request = at + answers.HEAD + (place - first) / 4 * answers.NAMED
                local size = #id_writes
                id_used[id], kept = true, kept + 1
                id_writes[size + 1] = id_fields[id]
                id_writes[size + 2] = ids.value(asked, request, frame, partition)
            end
        end
        bytes[#bytes + 1] = answer
    end
    return table.concat(bytes), kept
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
    if #record ~= 24 then
        return { codes.BAD_LENGTH }
    end
    local partition, elow, ehigh, wlow, whigh, most = from('<I4I4I4I4I4I4', record)
    local epoch, watermark = ehigh * CARRY + elow, whigh * CARRY + wlow
    if partition >= 65536 or epoch == 0 or ehigh >= NUMBER or whigh >= NUMBER then
        return { codes.BAD_VALUE }
    end
    local frames, last, count, found = read_frames(asked)
    if not frames then
        return { last }
    end
    local names = calls.names(sub(record, 1, 4))
    fields[1], fields[2], fields[3] = 'F', names.mark, names.answers
    for place = 1, count do
        local asset = assets[place]
        fields[last + place] = names[asset] or calls.sum(names, asset)
    end
    local size = last + count
    if found then
        fields[size + 1] = ids.COUNT
        for id = 1, found do
            fields[size + 1 + id] = id_fields[id]
        end
        size = size + 1 + found
    end
    local values = calls.read(key, fields, size)
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
    local ids_before, ids_kept = 0, 0
    if found then
        ids_before = calls.number(values[last + count + 1])
        ids_kept = ids_before
        for id = 1, found do
            id_used[id] = values[last + count + 1 + id] ~= false
        end
        id_writes = {}
    end
    for number = 1, frames do
        local at, after = begins[number], begins[number + 1]
        local question, frame = sub(asked, at, after - 1), sub(asked, at, at + 7)
        local each = sizes[number]
        local next_request = request + (after - at - answers.HEAD) / each * 4
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
            if each == 16 then
                given[number] = hold_each(request, next_request - 1)
            else
                given[number], ids_kept = hold_named(
                    request, next_request - 1, ids_kept, most, asked, at, sub(record, 1, 4)
                )
            end
            answer = question .. given[number]
            known[frame], kept[#kept + 1] = answer, answer
        end
        request = next_request
    end

    local code = codes.REPEATED
    size = 0
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
    if ids_kept > ids_before then
        size = calls.append(writes, size, id_writes)
        writes[size + 1], writes[size + 2] = ids.COUNT, ids.counted(ids_kept)
        size = size + 2
    end
    calls.write(key, writes, size)
    return { code, table.concat(given, '', 1, frames) }
end

redis.register_function('nextrade_reserve', reserve)
