-- include: codes calls
-- Raise the epoch of a partition, so that lower ones are refused from now on.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  partition u32, epoch u64: 12 bytes
-- Returns  DONE or REPEATED, and the watermark (field W) or an empty text; STALE_EPOCH, epoch

local function fence(keys, args)
    local key, head, record = keys[1], args[1], args[2]
    local refused = calls.refused(keys, args, 2, codes.CALL_FENCE)
    if refused then
        return { refused }
    end
    if #record ~= 12 then
        return { codes.BAD_LENGTH }
    end
    local partition = struct.unpack('<I4', record)
    local epoch = calls.number(record, 5)
    if partition >= calls.NUMBERS or not epoch or epoch == 0 then
        return { codes.BAD_VALUE }
    end
    local name = string.sub(record, 1, 4)
    local state = redis.call('HMGET', key, 'F', 'E' .. name, 'W' .. name)
    refused = calls.unfounded(state[1], head)
    if refused then
        return { refused }
    end
    local seen = calls.number(state[2])
    if epoch < seen then
        return { codes.STALE_EPOCH, seen }
    end
    if epoch == seen then
        return { codes.REPEATED, state[3] or '' }
    end
    redis.call('HSET', key, 'E' .. name, string.sub(record, 5, 12))
    return { codes.DONE, state[3] or '' }
end

redis.register_function('nextrade_fence', fence)
