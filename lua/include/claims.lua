-- include: codes limbs calls totals
-- Changes of one balance under a reference: the claim, the balance and the outbox record.
--
-- A claim is what a reference stands for, 21 bytes: purpose u8 (FOR_...), account u32,
-- asset u32, amount i64, other account u32 (of a transfer: where it goes; else 0).
-- An outbox record is the function u16 that made it, then the claim, then the reference.

local claims = { SIZE = 21, LONGEST = 200, OPEN_BYTES = 65536, UNPUBLISHED_MOST = 1000000 }

-- Read a claim. Returns nil and the code that refuses it, or purpose, account, asset, low and
-- high limb of the amount, and other account.
function claims.parts(claim, reference)
    if #claim ~= claims.SIZE or #reference == 0 or #reference > claims.LONGEST then
        return nil, codes.BAD_LENGTH
    end
    local purpose, account, asset, low, high, other = struct.unpack('<I1I4I4I4i4I4', claim)
    if purpose < codes.FOR_CREDIT or purpose > codes.FOR_TRANSFER then
        return nil, codes.BAD_CODE
    end
    if high < 0 or (high == 0 and low == 0) or asset >= calls.NUMBERS then
        return nil, codes.BAD_VALUE
    end
    return purpose, account, asset, low, high, other
end

-- Amount plus or minus another; nil and a code if the result is negative or too large.
function claims.changed(low, high, sign, by_low, by_high)
    low, high = limbs.carried(low + sign * by_low, high + sign * by_high)
    if high < 0 then
        return nil, codes.TOO_LITTLE
    end
    if high >= limbs.TOP then
        return nil, codes.OVERFLOW
    end
    return low, high
end

-- Add to `writes` the balance (field and value as they are) after its change: signs (-1, 0, 1)
-- say what happens to available and held. Returns nil, or the code that refuses.
function claims.move(writes, field, value, available_sign, held_sign, by_low, by_high)
    local alow, ahigh, hlow, hhigh = 0, 0, 0, 0
    if value then
        alow, ahigh, hlow, hhigh = struct.unpack('<I4i4I4i4', value)
    end
    local low, high = claims.changed(alow, ahigh, available_sign, by_low, by_high)
    if not low then
        return high
    end
    local held_low, held_high = claims.changed(hlow, hhigh, held_sign, by_low, by_high)
    if not held_low then
        return held_high
    end
    writes[#writes + 1] = field
    writes[#writes + 1] = struct.pack('<I4i4I4i4', low, high, held_low, held_high)
    return nil
end

-- Totals of one asset that change by an amount: a sign for each of available, held, outside and
-- transfers.
function claims.sums(available, held, outside, transfers, low, high)
    return {
        available * low, available * high, held * low, held * high,
        outside * low, outside * high, transfers * low, transfers * high,
    }
end

-- Add to `writes` one record for the outbox, whose state is `outbox` (field O). Returns nil, or
-- the answer that refuses because too many records wait to be published.
function claims.publish(writes, outbox, code, claim, reference)
    local first, next_number = 0, 0
    if outbox then
        first, next_number = calls.number(outbox, 1), calls.number(outbox, 9)
    end
    if next_number - first >= claims.UNPUBLISHED_MOST then
        return { codes.UNPUBLISHED, next_number - first }
    end
    writes[#writes + 1] = 'o' .. claims.eight(next_number)
    writes[#writes + 1] = struct.pack('<I2', code) .. claim .. reference
    writes[#writes + 1] = 'O'
    writes[#writes + 1] = claims.eight(first) .. claims.eight(next_number + 1)
    return nil
end

-- A number below 2^53 as eight bytes.
function claims.eight(number)
    local high = math.floor(number / limbs.CARRY)
    return struct.pack('<I4I4', number - high * limbs.CARRY, high)
end

-- The list of unfinished transfers (field t) without one reference.
function claims.without(open, reference)
    local kept, at = {}, 1
    while open and at <= #open do
        local size = string.byte(open, at)
        if string.sub(open, at + 1, at + size) ~= reference then
            kept[#kept + 1] = string.sub(open, at, at + size)
        end
        at = at + 1 + size
    end
    return table.concat(kept)
end
