-- include: codes calls claims
-- Remove records from a bucket's outbox after they were published.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  the number u64 of the first record to be kept: 8 bytes
-- Returns  DONE or REPEATED; BAD_VALUE if there is no such record yet, or too many go at once

local function trim(keys, args)
    local key, head, record = keys[1], args[1], args[2]
    local refused = calls.refused(keys, args, 2, codes.CALL_TRIM)
    if refused then
        return { refused }
    end
    if #record ~= 8 then
        return { codes.BAD_LENGTH }
    end
    local state = redis.call('HMGET', key, 'F', 'O')
    refused = calls.unfounded(state[1], head)
    if refused then
        return { refused }
    end
    local kept, first, next_number = calls.number(record), 0, 0
    if state[2] then
        first, next_number = calls.number(state[2], 1), calls.number(state[2], 9)
    end
    if not kept or kept > next_number or kept - first > calls.MOST then
        return { codes.BAD_VALUE }
    end
    if kept <= first then
        return { codes.REPEATED }
    end
    local fields = {}
    for number = first, kept - 1 do
        fields[#fields + 1] = 'o' .. claims.eight(number)
    end
    redis.call('HDEL', key, unpack(fields))
    redis.call('HSET', key, 'O', record .. string.sub(state[2], 9, 16))
    return { codes.DONE }
end

redis.register_function('nextrade_trim', trim)
