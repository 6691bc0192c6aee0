-- include: codes limbs calls answers
-- Raise the epoch of a partition, so that lower ones are refused from now on.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  partition u32, epoch u64: 12 bytes
-- Returns  DONE or REPEATED; the last batch settled here, u64, and a bit for each bucket that it
--          touched, or an empty text; the frames u64 that have an answer here which no batch has
--          ended; STALE_EPOCH, epoch

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
    local state = redis.call('HMGET', key, 'F', 'W' .. name, 'A' .. name)
    refused = calls.unfounded(state[1], head)
    if refused then
        return { refused }
    end
    local seen = calls.mark(state[2])
    local settled = state[2] and string.sub(state[2], 9) or '\0\0\0\0\0\0\0\0'
    if epoch < seen then
        return { codes.STALE_EPOCH, seen }
    end
    local code = codes.REPEATED
    if epoch > seen then
        code = codes.DONE
        redis.call('HSET', key, 'W' .. name, string.sub(record, 5, 12) .. settled)
    end
    return { code, settled, answers.frames(state[3] or '') }
end

redis.register_function('nextrade_fence', fence)
