-- include: codes limbs calls totals claims
-- Add to what an account has available, once for each reference.
--
-- KEYS[1]  the bucket of the account that receives: the account of a credit, the other account
--          of a transfer
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  claim of a credit or transfer, 21 bytes (include/claims.lua)
-- ARGV[3]  reference
-- Returns  DONE, REPEATED; REUSED; OVERFLOW if there is no room; UNPUBLISHED, how many
-- Outbox   one record

local function credit(keys, args)
    local key, head, claim, reference = keys[1], args[1], args[2], args[3]
    local refused = calls.refused(keys, args, 3, codes.CALL_CREDIT)
    if refused then
        return { refused }
    end
    local purpose, account, asset, low, high, other = claims.parts(claim, reference)
    if not purpose then
        return { account }
    end
    if purpose == codes.FOR_WITHDRAWAL then
        return { codes.BAD_CODE }
    end
    if purpose == codes.FOR_TRANSFER then
        account = other
    end
    local balance_field = struct.pack('<I4I4', account, asset)
    local credited_field = 'credits:' .. reference
    local state = redis.call(
        'HMGET', key, 'F', credited_field, balance_field, 'N', 'O', 'T' .. struct.pack('<I4', asset)
    )
    refused = calls.unfounded(state[1], head)
    if refused then
        return { refused }
    end
    if state[2] then
        return { state[2] == claim and codes.REPEATED or codes.REUSED }
    end
    local from_outside = purpose == codes.FOR_CREDIT and 1 or 0
    if from_outside == 1 then
        local share_low, share_high = struct.unpack('<I4i4', state[1], 17)
        local outside_low, outside_high = 0, 0
        if state[6] then
            outside_low, outside_high = struct.unpack('<I4i4', state[6], 17)
        end
        outside_low, outside_high = limbs.carried(outside_low + low, outside_high + high)
        if limbs.less(share_low, share_high, outside_low, outside_high) then
            return { codes.OVERFLOW }
        end
    end
    local writes = { credited_field, claim }
    refused = claims.move(writes, balance_field, state[3], 1, 0, low, high)
    if refused then
        return { refused }
    end
    local change = claims.sums(1, 0, from_outside, 1 - from_outside, low, high)
    totals.change(writes, asset, change, state[6], state[4])
    refused = claims.publish(writes, state[5], codes.CALL_CREDIT, claim, reference)
    if refused then
        return refused
    end
    calls.write(key, writes, #writes)
    return { codes.DONE }
end

redis.register_function('nextrade_credit', credit)
