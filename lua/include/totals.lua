-- include: codes limbs calls
-- What a bucket counts as it goes: sums of each asset, and of each partition's postings.
--
-- Always: available + held = outside + transfers + the sums of all partitions.

local totals = {}

-- No change yet: low and high limbs of available, held, outside and transfers.
function totals.none()
    return { 0, 0, 0, 0, 0, 0, 0, 0 }
end

-- Add to `writes` the totals after `changes` (by asset), and the sums of the partition if one
-- is given. `marks` is field N as it was. Returns nil, or the code that refuses.
function totals.change(key, writes, changes, marks, partition)
    local pack, from = struct.pack, struct.unpack
    local assets, fields = {}, {}
    local assets_seen, partitions_seen = 0, 0
    if marks then
        assets_seen, partitions_seen = from('<I4I4', marks)
    end
    local highest = assets_seen
    for asset in pairs(changes) do
        assets[#assets + 1] = asset
        highest = math.max(highest, asset + 1)
    end
    table.sort(assets)
    for k, asset in ipairs(assets) do
        fields[2 * k - 1] = 'T' .. pack('<I4', asset)
        fields[2 * k] = 'P' .. pack('<I4I4', partition or 0, asset)
    end
    if #fields == 0 then
        return nil
    end
    local values = calls.read(key, fields)
    for k, asset in ipairs(assets) do
        local change = changes[asset]
        local old = { 0, 0, 0, 0, 0, 0, 0, 0 }
        if values[2 * k - 1] then
            old = { from('<I4i4I4i4I4i4I4i4', values[2 * k - 1]) }
        end
        local new = {}
        for at = 1, 7, 2 do
            new[at], new[at + 1] = limbs.carried(old[at] + change[at], old[at + 1] + change[at + 1])
            if not limbs.fits(new[at + 1]) then
                return codes.OVERFLOW
            end
        end
        writes[#writes + 1] = fields[2 * k - 1]
        writes[#writes + 1] = pack('<I4i4I4i4I4i4I4i4', unpack(new))
        if partition then
            local low, high = 0, 0
            if values[2 * k] then
                low, high = from('<I4i4', values[2 * k])
            end
            low, high = limbs.carried(low + change[1] + change[3], high + change[2] + change[4])
            if not limbs.fits(high) then
                return codes.OVERFLOW
            end
            writes[#writes + 1] = fields[2 * k]
            writes[#writes + 1] = pack('<I4i4', low, high)
        end
    end
    local partitions = math.max(partitions_seen, partition and partition + 1 or 0)
    if highest ~= assets_seen or partitions ~= partitions_seen then
        writes[#writes + 1] = 'N'
        writes[#writes + 1] = pack('<I4I4', highest, partitions)
    end
    return nil
end
