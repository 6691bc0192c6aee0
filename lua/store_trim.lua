-- include: codes calls stores
-- Remove entries that no kept snapshot needs: those up to the batch of the older one of two.
--
-- KEYS[1]  the store
-- ARGV[1]  head of the call (include/stores.lua)
-- ARGV[2]  epoch u64, most entries to remove u32: 12 bytes
-- Returns  DONE, how many are left to remove; STALE_EPOCH, epoch; LOST, epoch

local function trim(keys, args)
    local key, head, record = keys[1], args[1], args[2]
    local refused = stores.refused(keys, args, 2, codes.CALL_STORE_TRIM)
    if refused then
        return { refused }
    end
    if #keys ~= 1 or #record ~= 12 then
        return { codes.BAD_LENGTH }
    end
    local epoch, most = calls.number(record, 1), struct.unpack('<I4', record, 9)
    if not epoch or epoch == 0 or most == 0 or most > stores.PAGE then
        return { codes.BAD_VALUE }
    end
    local state, why, detail = stores.owned(key, head, epoch)
    if not state then
        return { why, detail }
    end
    local needed = (stores.snapshot(state.snapshots, 2) or 0) + 1
    local after = math.min(needed, state.first + most)
    if after <= state.first then
        return { codes.DONE, 0 }
    end
    local fields = {}
    for batch = state.first, after - 1 do
        fields[#fields + 1] = 'b' .. stores.eight(batch)
    end
    state.first = after
    redis.call('HSET', key, 'S', stores.state(state))
    redis.call('HDEL', key, unpack(fields))
    return { codes.DONE, needed - after }
end

redis.register_function('nextrade_store_trim', trim)
