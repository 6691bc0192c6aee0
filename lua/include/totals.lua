-- include: limbs
-- What a bucket counts as it goes: sums of what was changed, by asset.
--
-- A bucket's available and held are those of field T plus those of all partitions (field P).
-- Always: available + held = outside + transfers + what the partitions have settled. A field's
-- sums wrap around at 64 bits, for over years more may pass through a bucket one way, and back
-- another, than an amount can say. What they add up to is exact even so.

local totals = {}

-- The sums of a partition and an asset (field P) after a change of available and held, whose
-- limbs may be the sums of many. `before` is the field as it was.
function totals.settled(before, alow, ahigh, hlow, hhigh)
    if before then
        local low, high, held_low, held_high = struct.unpack('<I4i4I4i4', before)
        alow, ahigh, hlow, hhigh = alow + low, ahigh + high, hlow + held_low, hhigh + held_high
    end
    alow, ahigh = limbs.carried(alow, ahigh)
    hlow, hhigh = limbs.carried(hlow, hhigh)
    -- A high limb may have left its 32 bits: struct keeps the lower ones.
    return struct.pack('<I4i4I4i4', alow, ahigh, hlow, hhigh)
end

-- Add to `writes` the totals of an asset after a change outside batches: low and high limbs of
-- available, held, outside and transfers. `before` is the field as it was, `marks` field N.
function totals.change(writes, asset, change, before, marks)
    local old = { 0, 0, 0, 0, 0, 0, 0, 0 }
    if before then
        old = { struct.unpack('<I4i4I4i4I4i4I4i4', before) }
    end
    local new = {}
    for at = 1, 7, 2 do
        new[at], new[at + 1] = limbs.carried(old[at] + change[at], old[at + 1] + change[at + 1])
    end
    writes[#writes + 1] = 'T' .. struct.pack('<I4', asset)
    writes[#writes + 1] = struct.pack('<I4i4I4i4I4i4I4i4', unpack(new))
    totals.mark(writes, #writes, marks, asset, nil)
end

-- Add to `writes`, which has `size` entries, the marks (field N) if an asset or a partition is
-- higher than any before. Returns the size after it.
function totals.mark(writes, size, marks, asset, partition)
    local assets, partitions = 0, 0
    if marks then
        assets, partitions = struct.unpack('<I4I4', marks)
    end
    local new_assets = math.max(assets, asset + 1)
    local new_partitions = math.max(partitions, partition and partition + 1 or 0)
    if new_assets == assets and new_partitions == partitions then
        return size
    end
    writes[size + 1], writes[size + 2] = 'N', struct.pack('<I4I4', new_assets, new_partitions)
    return size + 2
end
