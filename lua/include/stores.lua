-- include: codes limbs calls
-- What every call to a book store begins with, and what a store must prove before it is touched.
--
-- The store of a partition is one hash, and one key for each part of a snapshot, which has the
-- hash's key before it: :s:<batch>:<part>. The fields of the hash:
--
--   F            founding: map version u32, partition u32, format u32
--   J            what it was founded with
--   S            state: highest epoch, last batch, batch up to which all is cleared, and first
--                batch whose entry is still here, u64 each
--   A            16 letters that the last one to acquire made up, so that a repetition is known
--   K            the snapshots that can be read, at most two, the newest first: batch u64,
--                size u64, parts u32, digest of 16 letters
--   W            the snapshot that is being written, if any: batch u64, parts u32
--   b + batch    entry of a batch u64
--
-- All numbers are little-endian. The head of each call is version u16, which function u16,
-- map version u32, partition u32.

local stores = { HEAD = 12, SNAPSHOT = 36, PAGE = 1000, PARTS = 3000 }

-- Check the shape of a call. Returns nil, or the code that refuses it.
function stores.refused(keys, args, count, code)
    if #keys < 1 or #args ~= count or #args[1] ~= stores.HEAD then
        return codes.BAD_LENGTH
    end
    local version, meant = struct.unpack('<I2I2', args[1])
    if version ~= codes.STORE_VERSION then
        return codes.BAD_VERSION
    end
    if meant ~= code then
        return codes.BAD_CODE
    end
    return nil
end

-- Read a store that was founded for this partition and map. Returns its state: epoch, batch,
-- cleared, first, snapshots, writing; or nil and the code that refuses.
function stores.opened(key, head)
    local fields = redis.call('HMGET', key, 'F', 'S', 'K', 'W')
    if not fields[1] then
        return nil, codes.UNFOUNDED
    end
    if #fields[1] ~= 12 or struct.unpack('<I4', fields[1], 9) ~= codes.STORE_VERSION then
        return nil, codes.BAD_VERSION
    end
    if string.sub(fields[1], 1, 8) ~= string.sub(head, 5, 12) then
        return nil, codes.WRONG_MAP
    end
    return {
        epoch = calls.number(fields[2], 1),
        batch = calls.number(fields[2], 9),
        cleared = calls.number(fields[2], 17),
        first = calls.number(fields[2], 25),
        snapshots = fields[3],
        writing = fields[4],
    }
end

-- The same for a call that writes in the name of an epoch. Returns the state; or nil and the
-- code that refuses, and the highest epoch.
function stores.owned(key, head, epoch)
    local state, refused = stores.opened(key, head)
    if not state then
        return nil, refused
    end
    if epoch < state.epoch then
        return nil, codes.STALE_EPOCH, state.epoch
    end
    -- An epoch is given out here alone, so one that was never given was given by what is gone.
    if epoch > state.epoch then
        return nil, codes.LOST, state.epoch
    end
    return state
end

-- Numbers below 2^53 as eight bytes each.
function stores.eight(...)
    local texts = {}
    for k, number in ipairs({ ... }) do
        local high = math.floor(number / limbs.CARRY)
        texts[k] = struct.pack('<I4I4', number - high * limbs.CARRY, high)
    end
    return table.concat(texts)
end

-- Field S.
function stores.state(state)
    return stores.eight(state.epoch, state.batch, state.cleared, state.first)
end

-- One of the kept snapshots, 1 the newest: batch, parts and the whole record; nil if not there.
function stores.snapshot(snapshots, place)
    local at = (place - 1) * stores.SNAPSHOT + 1
    if #snapshots < at then
        return nil
    end
    local record = string.sub(snapshots, at, at + stores.SNAPSHOT - 1)
    return calls.number(record), struct.unpack('<I4', record, 17), record
end

-- Whether keys from a place on are those of the parts of a batch's snapshot, in order.
function stores.are_parts(keys, from, batch, parts)
    local before = keys[1] .. ':s:' .. string.format('%.0f', batch) .. ':'
    for part = 0, parts - 1 do
        if keys[from + part] ~= before .. string.format('%d', part) then
            return false
        end
    end
    return true
end
