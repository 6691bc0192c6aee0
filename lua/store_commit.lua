-- include: codes calls stores
-- Store the entry of the next batch, in one piece with the number of the batch.
--
-- KEYS[1]  the store
-- ARGV[1]  head of the call (include/stores.lua)
-- ARGV[2]  epoch u64, batch u64, cleared u64: 24 bytes; the last: up to which batch everything
--          is settled and confirmed
-- ARGV[3]  the entry
-- Returns  DONE; REPEATED if it is the last batch, with this entry; REUSED with another one;
--          STALE_EPOCH, epoch; LOST, epoch; GAP, last batch

local function commit(keys, args)
    local key, head, record, entry = keys[1], args[1], args[2], args[3]
    local refused = stores.refused(keys, args, 3, codes.CALL_STORE_COMMIT)
    if refused then
        return { refused }
    end
    if #keys ~= 1 or #record ~= 24 then
        return { codes.BAD_LENGTH }
    end
    local epoch, batch = calls.number(record, 1), calls.number(record, 9)
    local cleared = calls.number(record, 17)
    if not epoch or not batch or not cleared or epoch == 0 or cleared >= batch then
        return { codes.BAD_VALUE }
    end
    local state, why, detail = stores.owned(key, head, epoch)
    if not state then
        return { why, detail }
    end
    local field = 'b' .. string.sub(record, 9, 16)
    if batch == state.batch then
        local same = redis.call('HGET', key, field) == entry
        return { same and codes.REPEATED or codes.REUSED }
    end
    if batch ~= state.batch + 1 then
        return { codes.GAP, state.batch }
    end
    state.batch = batch
    state.cleared = math.max(state.cleared, cleared)
    redis.call('HSET', key, 'S', stores.state(state), field, entry)
    return { codes.DONE }
end

-- Note up to which batch everything is settled and confirmed.
--
-- KEYS[1]  the store
-- ARGV[1]  head of the call
-- ARGV[2]  epoch u64, cleared u64: 16 bytes
-- Returns  DONE; REPEATED if that was known; STALE_EPOCH, epoch; LOST, epoch; GAP, last batch

local function clear(keys, args)
    local key, head, record = keys[1], args[1], args[2]
    local refused = stores.refused(keys, args, 2, codes.CALL_STORE_CLEAR)
    if refused then
        return { refused }
    end
    if #keys ~= 1 or #record ~= 16 then
        return { codes.BAD_LENGTH }
    end
    local epoch, cleared = calls.number(record, 1), calls.number(record, 9)
    if not epoch or not cleared or epoch == 0 then
        return { codes.BAD_VALUE }
    end
    local state, why, detail = stores.owned(key, head, epoch)
    if not state then
        return { why, detail }
    end
    if cleared > state.batch then
        return { codes.GAP, state.batch }
    end
    if cleared <= state.cleared then
        return { codes.REPEATED }
    end
    state.cleared = cleared
    redis.call('HSET', key, 'S', stores.state(state))
    return { codes.DONE }
end

redis.register_function('nextrade_store_commit', commit)
redis.register_function('nextrade_store_clear', clear)
