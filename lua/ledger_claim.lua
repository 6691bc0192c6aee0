-- include: codes calls claims
-- Bind a reference to its details, in the one bucket where all calls look for it.
--
-- KEYS[1]  the bucket of the reference
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  claim, 21 bytes (include/claims.lua)
-- ARGV[3]  reference
-- Returns  DONE, REPEATED; REUSED and the claim that the reference belongs to

local function claim(keys, args)
    local key, head, details, reference = keys[1], args[1], args[2], args[3]
    local refused = calls.refused(keys, args, 3, codes.CALL_CLAIM)
    if refused then
        return { refused }
    end
    local purpose, why = claims.parts(details, reference)
    if not purpose then
        return { why }
    end
    local field = 'claimed:' .. reference
    local state = redis.call('HMGET', key, 'F', field)
    refused = calls.unfounded(state[1], head)
    if refused then
        return { refused }
    end
    if state[2] then
        if state[2] == details then
            return { codes.REPEATED }
        end
        return { codes.REUSED, state[2] }
    end
    redis.call('HSET', key, field, details)
    return { codes.DONE }
end

redis.register_function('nextrade_claim', claim)
