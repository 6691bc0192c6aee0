-- include: codes limbs calls ids
-- Forget client order ids of one partition.
--
-- KEYS[1]  the bucket
-- ARGV[1]  head of the call (include/calls.lua)
-- ARGV[2]  partition u32, epoch u64: 12 bytes
-- ARGV[3]  ids, each: account u32, the id padded with NUL to 36 bytes, order u64: 48 bytes. One
--          that belongs to another order by now, or to another partition, is left alone
-- Returns  DONE, or REPEATED if none of them was there, and how many went; STALE_EPOCH, epoch

local function forget(keys, args)
    local key, head, record, asked = keys[1], args[1], args[2], args[3]
    local refused = calls.refused(keys, args, 3, codes.CALL_FORGET)
    if refused then
        return { refused }
    end
    if #record ~= 12 or #asked % 48 ~= 0 then
        return { codes.BAD_LENGTH }
    end
    local sub = string.sub
    local partition, epoch = struct.unpack('<I4', record), calls.number(record, 5)
    if partition >= calls.NUMBERS or not epoch or epoch == 0 then
        return { codes.BAD_VALUE }
    end
    local name = sub(record, 1, 4)
    local fields = { 'F', 'W' .. name, ids.COUNT }
    for at = 1, #asked, 48 do
        fields[#fields + 1] = 'I' .. sub(asked, at, at + 39)
    end
    local values = calls.read(key, fields, #fields)
    refused = calls.unfounded(values[1], head)
    if refused then
        return { refused }
    end
    local seen = calls.mark(values[2])
    if epoch < seen then
        return { codes.STALE_EPOCH, seen }
    end
    local gone, going = {}, {}
    for place = 4, #fields do
        local value, at = values[place], 48 * (place - 4) + 41
        if value and not going[fields[place]] and sub(value, 1, 8) == sub(asked, at, at + 7)
            and sub(value, 17, 20) == name then
            gone[#gone + 1], going[fields[place]] = fields[place], true
        end
    end
    local writes = {}
    if epoch > seen then
        local rest = values[2] and sub(values[2], 9) or '\0\0\0\0\0\0\0\0'
        writes[1], writes[2] = 'W' .. name, sub(record, 5, 12) .. rest
    end
    if #gone > 0 then
        writes[#writes + 1] = ids.COUNT
        writes[#writes + 1] = ids.counted(calls.number(values[3]) - #gone)
    end
    calls.write(key, writes, #writes)
    calls.remove(key, gone, #gone)
    return { #gone > 0 and codes.DONE or codes.REPEATED, #gone }
end

redis.register_function('nextrade_forget', forget)
