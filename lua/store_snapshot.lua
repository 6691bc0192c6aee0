-- include: codes calls stores
-- Snapshots: written part by part, then made current in one call; the two newest stay.
--
-- First: write one part of a snapshot that nobody reads yet.
--
-- KEYS[1]  the store
-- KEYS[2]  the part
-- ARGV[1]  head of the call (include/stores.lua)
-- ARGV[2]  epoch u64, batch u64, parts u32, number of the part u32: 24 bytes
-- ARGV[3]  the part: not empty
-- Returns  DONE; REUSED if another snapshot was begun and is not dropped, or this batch is not
--          past the newest snapshot's; STALE_EPOCH, epoch; LOST, epoch; GAP, batch cleared

local function part(keys, args)
    local key, head, record, text = keys[1], args[1], args[2], args[3]
    local refused = stores.refused(keys, args, 3, codes.CALL_STORE_PART)
    if refused then
        return { refused }
    end
    if #keys ~= 2 or #record ~= 24 or #text == 0 then
        return { codes.BAD_LENGTH }
    end
    local epoch, batch = calls.number(record, 1), calls.number(record, 9)
    local parts, number = struct.unpack('<I4I4', record, 17)
    if not epoch or not batch or epoch == 0 or batch == 0 or number >= parts then
        return { codes.BAD_VALUE }
    end
    if parts > stores.PARTS or keys[2] ~= key .. string.format(':s:%.0f:%d', batch, number) then
        return { codes.BAD_VALUE }
    end
    local state, why, detail = stores.owned(key, head, epoch)
    if not state then
        return { why, detail }
    end
    if batch > state.cleared then
        return { codes.GAP, state.cleared }
    end
    local newest = stores.snapshot(state.snapshots, 1)
    local writing = string.sub(record, 9, 20)
    if (newest and batch <= newest) or (state.writing and state.writing ~= writing) then
        return { codes.REUSED }
    end
    redis.call('HSET', key, 'W', writing)
    redis.call('SET', keys[2], text)
    return { codes.DONE }
end

-- Drop a snapshot that was begun and not finished.
--
-- KEYS[1]  the store
-- KEYS     from 2 on: its parts
-- ARGV[1]  head of the call
-- ARGV[2]  epoch u64, batch u64, parts u32: 20 bytes
-- Returns  DONE; REPEATED if no such snapshot is being written; STALE_EPOCH, epoch; LOST, epoch

local function drop(keys, args)
    local key, head, record = keys[1], args[1], args[2]
    local refused = stores.refused(keys, args, 2, codes.CALL_STORE_DROP)
    if refused then
        return { refused }
    end
    if #record ~= 20 then
        return { codes.BAD_LENGTH }
    end
    local epoch, batch = calls.number(record, 1), calls.number(record, 9)
    local parts = struct.unpack('<I4', record, 17)
    if not epoch or not batch or epoch == 0 or parts == 0 or parts > stores.PARTS then
        return { codes.BAD_VALUE }
    end
    if #keys ~= 1 + parts then
        return { codes.BAD_LENGTH }
    end
    if not stores.are_parts(keys, 2, batch, parts) then
        return { codes.BAD_VALUE }
    end
    local state, why, detail = stores.owned(key, head, epoch)
    if not state then
        return { why, detail }
    end
    if state.writing ~= string.sub(record, 9, 20) then
        return { codes.REPEATED }
    end
    redis.call('HDEL', key, 'W')
    redis.call('UNLINK', unpack(keys, 2))
    return { codes.DONE }
end

-- Make a snapshot the newest one; remove the one that is now third, or the newest before it.
--
-- KEYS[1]  the store
-- KEYS     from 2 on: the snapshot's parts, then those of the one that goes
-- ARGV[1]  head of the call
-- ARGV[2]  epoch u64, instead u32, then as in field K: batch u64, size u64, parts u32, digest of
--          16 letters; 48 bytes. instead: 1 if the newest before is damaged and goes, else 0
-- Returns  DONE; REPEATED if it is the newest already; REUSED if that has other contents, or
--          this batch is before it, or the snapshot that goes is another one; STALE_EPOCH,
--          epoch; LOST, epoch; GAP and a number if the batch is not cleared or bytes are missing

local function keep(keys, args)
    local key, head, record = keys[1], args[1], args[2]
    local refused = stores.refused(keys, args, 2, codes.CALL_STORE_KEEP)
    if refused then
        return { refused }
    end
    if #record ~= 48 then
        return { codes.BAD_LENGTH }
    end
    local epoch, instead = calls.number(record, 1), struct.unpack('<I4', record, 9)
    local batch, size = calls.number(record, 13), calls.number(record, 21)
    local parts = struct.unpack('<I4', record, 29)
    if not epoch or not batch or not size or epoch == 0 or batch == 0 or instead > 1 then
        return { codes.BAD_VALUE }
    end
    if parts == 0 or parts > stores.PARTS then
        return { codes.BAD_VALUE }
    end
    local state, why, detail = stores.owned(key, head, epoch)
    if not state then
        return { why, detail }
    end
    local made = string.sub(record, 13)
    local newest, _, newest_record = stores.snapshot(state.snapshots, 1)
    if newest == batch then
        return { newest_record == made and codes.REPEATED or codes.REUSED }
    end
    if newest and batch < newest then
        return { codes.REUSED }
    end
    if batch > state.cleared then
        return { codes.GAP, state.cleared }
    end
    local goes, stays = 2 - instead, 1 + instead
    local gone, gone_parts = stores.snapshot(state.snapshots, goes)
    local _, _, stayed_record = stores.snapshot(state.snapshots, stays)
    if #keys ~= 1 + parts + (gone and gone_parts or 0) then
        return { codes.BAD_LENGTH }
    end
    if not stores.are_parts(keys, 2, batch, parts) then
        return { codes.BAD_VALUE }
    end
    if gone and not stores.are_parts(keys, 2 + parts, gone, gone_parts) then
        return { codes.REUSED }
    end
    local there = 0
    for place = 2, 1 + parts do
        there = there + redis.call('STRLEN', keys[place])
    end
    if there ~= size then
        return { codes.GAP, there }
    end
    redis.call('HSET', key, 'K', made .. (stayed_record or ''))
    redis.call('HDEL', key, 'W')
    if gone then
        redis.call('UNLINK', unpack(keys, 2 + parts))
    end
    return { codes.DONE }
end

redis.register_function('nextrade_store_part', part)
redis.register_function('nextrade_store_drop', drop)
redis.register_function('nextrade_store_keep', keep)
