-- What a bucket has answered to frames that no batch has ended yet.
--
-- All of a partition's stand in one field, one after the other: frame u64, number of requests
-- u32, the requests of 16 bytes as they were asked, and a byte for each: 1 held, 0 refused. A
-- batch ends its frames before the next one asks, so the field stays as short as a batch or two;
-- writing it again costs less than fields that come and go.

local answers = { HEAD = 12, EACH = 17 }

-- The answers in a text, by frame.
function answers.by_frame(text)
    local from, sub = struct.unpack, string.sub
    local known, at = {}, 1
    while at <= #text do
        local after = at + answers.HEAD + answers.EACH * from('<I4', text, at + 8)
        known[sub(text, at, at + 7)] = sub(text, at, after - 1)
        at = after
    end
    return known
end

-- The frames that have answers in a text, one after the other.
function answers.frames(text)
    local frames, at = {}, 1
    while at <= #text do
        frames[#frames + 1] = string.sub(text, at, at + 7)
        at = at + answers.HEAD + answers.EACH * struct.unpack('<I4', text, at + 8)
    end
    return table.concat(frames)
end

-- A text without the answers to some frames, which stand one after the other.
function answers.without(text, frames)
    local from, sub = struct.unpack, string.sub
    local ended = {}
    for at = 1, #frames, 8 do
        ended[sub(frames, at, at + 7)] = true
    end
    local kept, at = {}, 1
    while at <= #text do
        local after = at + answers.HEAD + answers.EACH * from('<I4', text, at + 8)
        if not ended[sub(text, at, at + 7)] then
            kept[#kept + 1] = sub(text, at, after - 1)
        end
        at = after
    end
    return table.concat(kept)
end
