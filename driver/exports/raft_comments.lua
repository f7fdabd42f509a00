-- Fields of the Raft messages that `raftmon export --pcapng` writes into packet comments: a post-dissector, so the
-- packets are dissected as usual and these fields are added. One comment may hold several messages, divided by "; ".
local raft = Proto("raft", "Raft message (raftmon)")
local fields = {
  kind = ProtoField.string("raft.kind", "Kind"),
  source = ProtoField.string("raft.from", "From"),
  target = ProtoField.string("raft.to", "To"),
  term = ProtoField.uint64("raft.term", "Term"),
  index = ProtoField.uint64("raft.index", "Index"),
  commit = ProtoField.uint64("raft.commit", "Commit"),
  entries = ProtoField.string("raft.entries", "Entries"),
  snapshot = ProtoField.uint64("raft.snapshot", "Snapshot index"),
  rejected = ProtoField.bool("raft.rejected", "Rejected"),
  group = ProtoField.string("raft.group", "Group"),
}
for _, field in pairs(fields) do table.insert(raft.fields, field) end
local comment = Field.new("frame.comment")

local function number(text, word)
  local found = text:match(" " .. word .. " (%d+)")
  return found and UInt64.new(found) or nil
end

function raft.dissector(buffer, pinfo, tree)
  for _, found in ipairs({ comment() }) do
    for text in (tostring(found.value) .. "; "):gmatch("(.-); ") do
      local kind, source, target = text:match("^(Msg%a+) (%S+)%->(%S+) term ")
      if kind then
        local item = tree:add(raft, buffer(0, 0), "Raft " .. text)
        item:add(fields.kind, kind)
        item:add(fields.source, source)
        item:add(fields.target, target)
        for _, word in ipairs({ "term", "index", "commit", "snapshot" }) do
          local value = number(text, word)
          if value then item:add(fields[word], value) end
        end
        local entries = text:match(" entries (%S+)")
        if entries then item:add(fields.entries, entries) end
        item:add(fields.rejected, text:find(" rejected ", 1, true) ~= nil)
        local group = text:match(" group (%S+)")
        if group then item:add(fields.group, group) end
      end
    end
  end
end

register_postdissector(raft)
