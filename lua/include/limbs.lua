-- Amounts as two 32-bit limbs: exact to 2^63-1, where a Lua number is exact to 2^53 only.
--
-- The low limb is unsigned, the high one signed: value = high * 2^32 + low. So a value is
-- negative exactly when its high limb is, and fits 64 bits while that is below 2^31.

local limbs = { CARRY = 4294967296, TOP = 2147483648, NUMBER = 2097152 }

-- Bring a low limb that is the sum of many back into its range.
function limbs.carried(low, high)
    local rest = low % 4294967296
    return rest, high + (low - rest) / 4294967296
end

function limbs.fits(high)
    return high >= -limbs.TOP and high < limbs.TOP
end

-- Whether low1, high1 is less than low2, high2.
function limbs.less(low1, high1, low2, high2)
    return high1 < high2 or (high1 == high2 and low1 < low2)
end

-- A number below 2^53 out of two unsigned limbs; nil if it is larger.
function limbs.number(low, high)
    if high >= limbs.NUMBER then
        return nil
    end
    return high * limbs.CARRY + low
end
