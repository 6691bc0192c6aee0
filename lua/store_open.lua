-- include: codes calls stores
-- Take a store over, look at it, and read entries of it. First: take it over.
--
-- KEYS[1]  the store
-- ARGV[1]  head of the call (include/stores.lua)
-- ARGV[2]  16 letters that the caller made up; the same once more raises nothing
-- Returns  DONE or REPEATED, then fields S, K and J

local function acquire(keys, args)
    local key, head, token = keys[1], args[1], args[2]
    local refused = stores.refused(keys, args, 2, codes.CALL_STORE_ACQUIRE)
    if refused then
        return { refused }
    end
    if #keys ~= 1 or #token ~= 16 then
        return { codes.BAD_LENGTH }
    end
    local state, why = stores.opened(key, head)
    if not state then
        return { why }
    end
    local fields = redis.call('HMGET', key, 'J', 'A')
    if fields[2] == token then
        return { codes.REPEATED, stores.state(state), state.snapshots, fields[1] }
    end
    state.epoch = state.epoch + 1
    redis.call('HSET', key, 'S', stores.state(state), 'A', token)
    return { codes.DONE, stores.state(state), state.snapshots, fields[1] }
end

-- Look at a store.
--
-- KEYS[1]  the store
-- ARGV[1]  head of the call
-- Returns  DONE, then fields S, K and J, and W or an empty text

local function look(keys, args)
    local key, head = keys[1], args[1]
    local refused = stores.refused(keys, args, 1, codes.CALL_STORE_LOOK)
    if refused then
        return { refused }
    end
    if #keys ~= 1 then
        return { codes.BAD_LENGTH }
    end
    local state, why = stores.opened(key, head)
    if not state then
        return { why }
    end
    local founding = redis.call('HGET', key, 'J')
    return { codes.DONE, stores.state(state), state.snapshots, founding, state.writing or '' }
end

-- Read entries.
--
-- KEYS[1]  the store
-- ARGV[1]  head of the call
-- ARGV[2]  first batch u64, last batch u64, most bytes u32: 20 bytes
-- Returns  DONE and entries from the first on, until one is missing, so many bytes are passed,
--          or a page is full: a reply is never much larger than the largest entry

local function page(keys, args)
    local key, head, record = keys[1], args[1], args[2]
    local refused = stores.refused(keys, args, 2, codes.CALL_STORE_PAGE)
    if refused then
        return { refused }
    end
    if #keys ~= 1 or #record ~= 20 then
        return { codes.BAD_LENGTH }
    end
    local first, last = calls.number(record, 1), calls.number(record, 9)
    local left = struct.unpack('<I4', record, 17)
    if not first or not last or first == 0 then
        return { codes.BAD_VALUE }
    end
    local state, why = stores.opened(key, head)
    if not state then
        return { why }
    end
    local reply = { codes.DONE }
    for batch = first, math.min(last, first + stores.PAGE - 1) do
        local entry = left > 0 and redis.call('HGET', key, 'b' .. stores.eight(batch))
        if not entry then
            break
        end
        left = left - #entry
        reply[#reply + 1] = entry
    end
    return reply
end

redis.register_function('nextrade_store_acquire', acquire)
redis.register_function({
    function_name = 'nextrade_store_look', callback = look, flags = { 'no-writes' },
})
redis.register_function({
    function_name = 'nextrade_store_page', callback = page, flags = { 'no-writes' },
})
