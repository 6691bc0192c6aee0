-- What a bucket has answered to frames that no batch has ended yet.
--
-- All of a partition's stand in one field, one after the other: frame u64, number of requests
-- u32, the requests of 16 bytes as they were asked, and a byte for each: 1 held, 0 refused for
-- lack of money. The top bit of the number says that the requests carry client order ids (see
-- ids): then each has 64 bytes, and a byte may also be 2, the id is in use, or 3, there are too
-- many. A batch ends its frames before the next one asks, so the field stays as short as a batch
-- or two; writing it again costs less than fields that come and go.

local answers = { HEAD = 12, PLAIN = 16, NAMED = 64, NAMED_BIT = 2147483648 }

-- The size of an answer to so many requests, as its text has the number.
local function size_of(count)
    return count < 2147483648 and 12 + 17 * count or 12 + 65 * (count - 2147483648)
end

-- The answers in a text, by frame.
function answers.by_frame(text)
    local from, sub = struct.unpack, string.sub
    local known, at = {}, 1
    while at <= #text do
        local next_at = at + size_of(from('<I4', text, at + 8))
        known[sub(text, at, at + 7)] = sub(text, at, next_at - 1)
        at = next_at
    end
    return known
end

-- The frames that have answers in a text, one after the other.
function answers.frames(text)
    local frames, at = {}, 1
    while at <= #text do
        frames[#frames + 1] = string.sub(text, at, at + 7)
        at = at + size_of(struct.unpack('<I4', text, at + 8))
    end
    return table.concat(frames)
end

-- A text without the answers to some frames, which stand one after the other, and how many of
-- them have none. What is taken out is put into `ended`, if that is given.
function answers.without(text, frames, ended)
    local from, sub = struct.unpack, string.sub
    local ending, missing = {}, 0
    for at = 1, #frames, 8 do
        local frame = sub(frames, at, at + 7)
        if not ending[frame] then
            ending[frame], missing = true, missing + 1
        end
    end
    local kept, at = {}, 1
    while at <= #text do
        local next_at = at + size_of(from('<I4', text, at + 8))
        if not ending[sub(text, at, at + 7)] then
            kept[#kept + 1] = sub(text, at, next_at - 1)
        else
            missing = missing - 1
            if ended then
                ended[#ended + 1] = sub(text, at, next_at - 1)
            end
        end
        at = next_at
    end
    return table.concat(kept), missing
end
