-- include: codes calls totals claims
-- Set an amount aside under a reference; later let it leave (capture) or give it back (refund).
--
-- KEYS[1]  the bucket of the account that pays
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  claim of a withdrawal or transfer, 21 bytes (include/claims.lua)
-- ARGV[3]  reference
-- Returns  hold: DONE, REPEATED; TOO_LITTLE; REUSED; FULL if too many transfers are unfinished
--          capture, refund: DONE, REPEATED; UNKNOWN_REFERENCE; FINISHED if it ended otherwise
--          all: UNPUBLISHED, how many, if the outbox is full
-- Outbox   one record each

-- Check a call of this family. Returns nil and the answer that refuses it; or the state of the
-- bucket (F, hold, balance, N, O, t, T), the field of the balance, and the parts of the claim.
local function opened(keys, args, code)
    local refused = calls.refused(keys, args, 3, code)
    if refused then
        return nil, { refused }
    end
    local purpose, account, asset, low, high = claims.parts(args[2], args[3])
    if not purpose then
        return nil, { account }
    end
    if purpose == codes.FOR_CREDIT then
        return nil, { codes.BAD_CODE }
    end
    local field = struct.pack('<I4I4', account, asset)
    local state = redis.call(
        'HMGET', keys[1], 'F', 'on-hold:' .. args[3], field, 'N', 'O', 't',
        'T' .. struct.pack('<I4', asset)
    )
    refused = calls.unfounded(state[1], args[1])
    if refused then
        return nil, { refused }
    end
    if state[2] and string.sub(state[2], 2) ~= args[2] then
        return nil, { codes.REUSED }
    end
    return state, field, purpose, asset, low, high
end

local function hold(keys, args)
    local key, claim, reference = keys[1], args[2], args[3]
    local state, field, purpose, asset, low, high = opened(keys, args, codes.CALL_HOLD)
    if not state then
        return field
    end
    if state[2] then
        return { codes.REPEATED, string.byte(state[2]) }
    end
    local writes = { 'on-hold:' .. reference, string.char(codes.HELD) .. claim }
    if purpose == codes.FOR_TRANSFER then
        local open = (state[6] or '') .. string.char(#reference) .. reference
        if #open > claims.OPEN_BYTES then
            return { codes.FULL }
        end
        writes[#writes + 1] = 't'
        writes[#writes + 1] = open
    end
    local refused = claims.move(writes, field, state[3], -1, 1, low, high)
    if refused then
        return { refused }
    end
    local change = claims.sums(-1, 1, 0, 0, low, high)
    totals.change(writes, asset, change, state[7], state[4])
    refused = claims.publish(writes, state[5], codes.CALL_HOLD, claim, reference)
    if refused then
        return refused
    end
    calls.write(key, writes, #writes)
    return { codes.DONE, codes.HELD }
end

local function finish(keys, args, code, ended)
    local key, claim, reference = keys[1], args[2], args[3]
    local state, field, purpose, asset, low, high = opened(keys, args, code)
    if not state then
        return field
    end
    if not state[2] then
        return { codes.UNKNOWN_REFERENCE }
    end
    local before = string.byte(state[2])
    if before ~= codes.HELD then
        return { before == ended and codes.REPEATED or codes.FINISHED }
    end
    local writes = { 'on-hold:' .. reference, string.char(ended) .. claim }
    local back = ended == codes.REFUNDED and 1 or 0
    local refused = claims.move(writes, field, state[3], back, -1, low, high)
    if refused then
        return { refused }
    end
    local outside, transfers = back - 1, 0
    if purpose == codes.FOR_TRANSFER then
        outside, transfers = transfers, outside
        writes[#writes + 1] = 't'
        writes[#writes + 1] = claims.without(state[6], reference)
    end
    local change = claims.sums(back, -1, outside, transfers, low, high)
    totals.change(writes, asset, change, state[7], state[4])
    refused = claims.publish(writes, state[5], code, claim, reference)
    if refused then
        return refused
    end
    calls.write(key, writes, #writes)
    return { codes.DONE }
end

local function capture(keys, args)
    return finish(keys, args, codes.CALL_CAPTURE, codes.CAPTURED)
end

local function refund(keys, args)
    return finish(keys, args, codes.CALL_REFUND, codes.REFUNDED)
end

redis.register_function('nextrade_hold', hold)
redis.register_function('nextrade_capture', capture)
redis.register_function('nextrade_refund', refund)
