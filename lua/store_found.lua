-- include: codes stores
-- Found the store of a partition, or see that it was founded in the same way.
--
-- KEYS[1]  the store
-- ARGV[1]  head of the call (include/stores.lua)
-- ARGV[2]  what it is founded with: not empty
-- Returns  DONE, REPEATED; WRONG_MAP or REUSED if it was founded otherwise

local function found(keys, args)
    local key, head, text = keys[1], args[1], args[2]
    local refused = stores.refused(keys, args, 2, codes.CALL_STORE_FOUND)
    if refused then
        return { refused }
    end
    if #keys ~= 1 or #text == 0 then
        return { codes.BAD_LENGTH }
    end
    local before = redis.call('HGET', key, 'F')
    if before then
        local state, why = stores.opened(key, head)
        if not state then
            return { why }
        end
        return { redis.call('HGET', key, 'J') == text and codes.REPEATED or codes.REUSED }
    end
    local founding = string.sub(head, 5, 12) .. struct.pack('<I4', codes.STORE_VERSION)
    local state = stores.eight(0, 0, 0, 1)
    redis.call('HSET', key, 'F', founding, 'J', text, 'S', state, 'K', '')
    return { codes.DONE }
end

redis.register_function('nextrade_store_found', found)
