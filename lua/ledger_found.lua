-- include: codes calls
-- Found a bucket, or see that it was founded in the same way.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  format u32, share i64: 12 bytes
-- Returns  DONE, REPEATED; WRONG_MAP if it was founded otherwise

local function found(keys, args)
    local key, head, terms = keys[1], args[1], args[2]
    local refused = calls.refused(keys, args, 2, codes.CALL_FOUND)
    if refused then
        return { refused }
    end
    if #terms ~= 12 then
        return { codes.BAD_LENGTH }
    end
    local format, low, high = struct.unpack('<I4I4i4', terms)
    if format ~= codes.VERSION then
        return { codes.BAD_VERSION }
    end
    local _, bucket, buckets = struct.unpack('<I4I4I4', head, 5)
    if bucket >= buckets or high < 0 or (high == 0 and low == 0) then
        return { codes.BAD_VALUE }
    end
    local founding = string.sub(head, 5, 16) .. terms
    local before = redis.call('HGET', key, 'F')
    if before then
        return { before == founding and codes.REPEATED or codes.WRONG_MAP }
    end
    redis.call('HSET', key, 'F', founding)
    return { codes.DONE }
end

redis.register_function('nextrade_found', found)
