//! [`Script`]: the Lua scripts by which sessions change as one transaction.
//!
//! In: keys and arguments. Out: commands. No script reads or writes JSON: Lua would turn empty lists into
//! objects and round numbers.

use aws_lc_rs::digest;
use redis::Cmd;

/// A script and its digest, by which servers know it.
pub(super) struct Script {
    text: &'static str,
    digest: std::sync::OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self { text, digest: std::sync::OnceLock::new() }
    }

    /// The command that runs it: by its digest if it is `known`, else with its text.
    pub(super) fn command(&self, known: bool, keys: &[&[u8]], arguments: &[impl AsRef<[u8]>]) -> Cmd {
        let mut command = if known {
            let mut command = redis::cmd("EVALSHA");
            command.arg(self.digest());
            command
        } else {
            let mut command = redis::cmd("EVAL");
            command.arg(self.text);
            command
        };
        command.arg(keys.len());
        for key in keys {
            command.arg(*key);
        }
        for argument in arguments {
            command.arg(argument.as_ref());
        }
        command
    }

    fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, self.text.as_bytes());
            digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }
}

/// Keeps a new session: KEYS session; ARGV lifetime in ms, then fields and values.
///
/// Removes nothing from a server that has no memory left: after a first write Redis lets a script do the rest.
pub(super) static CREATE: Script = Script::new(
    "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DEL', KEYS[1]) end
for at = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1",
);

/// Makes a change, under a new key if there is a second one.
///
/// KEYS session, new session; ARGV now, expiry, lifetime in ms, whether to clear, user (`` as before, `-`
/// nobody, `+name`), age, created, until when the user's index is known to live, of which user, how many fields
/// are set, these and their values, the fields to take out. Gives `0`: there is none; `1`: done, with the user
/// before (`+name`); `2`: the index of this user must be there first, until this expiry. An expiry only moves
/// forward, unless the age or the beginning is said too.
pub(super) static CHANGE: Script = Script::new(
    "local key = KEYS[1]
local old = redis.call('HMGET', key, 'e', 's', 'u', 'i')
if not old[1] or tonumber(old[1]) <= tonumber(ARGV[1]) then return {0, '', ''} end
local expires = ARGV[2]
local moves = ARGV[6] ~= '' or ARGV[7] ~= '' or tonumber(expires) > tonumber(old[1])
if not moves then expires = old[1] end
local user = old[3]
local sign = string.sub(ARGV[5], 1, 1)
if sign == '-' then user = false elseif sign == '+' then user = string.sub(ARGV[5], 2) end
local index = old[4]
if KEYS[2] or user ~= old[3] then index = false end
if user then
  if ARGV[9] == '+' .. user then index = ARGV[8] end
  if not index or tonumber(index) < tonumber(expires) then return {2, user, expires} end
end
if KEYS[2] then
  redis.call('RENAME', key, KEYS[2])
  key = KEYS[2]
end
if ARGV[4] == '1' then
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.byte(field) == 58 then redis.call('HDEL', key, field) end
  end
end
local values = 11 + 2 * tonumber(ARGV[10])
for at = 11, values - 1, 2 do redis.call('HSET', key, ARGV[at], ARGV[at + 1]) end
for at = values, #ARGV do redis.call('HDEL', key, ARGV[at]) end
if not old[2] or tonumber(old[2]) < tonumber(ARGV[1]) then redis.call('HSET', key, 's', ARGV[1]) end
if user then redis.call('HSET', key, 'u', user, 'i', index) else redis.call('HDEL', key, 'u', 'i') end
if ARGV[6] ~= '' then redis.call('HSET', key, 'm', ARGV[6]) end
if ARGV[7] ~= '' then redis.call('HSET', key, 'c', ARGV[7]) end
redis.call('HINCRBY', key, 'n', 1)
if moves then
  redis.call('HSET', key, 'e', expires)
  redis.call('PEXPIRE', key, ARGV[3])
end
return {1, old[3] and ('+' .. old[3]) or '', ''}",
);

/// Replaces the value of one key if it is still what was read.
///
/// KEYS session; ARGV now, expiry, lifetime in ms, until when the user's index is known to live, of which user,
/// field, old value (`-` none, `+text`), new value (the same), the writer's mark of 18 letters, or nothing.
/// Gives as [`CHANGE`], and `3`: another value is there. The last 16 marks are kept: a writer that finds its
/// own has done it, and lost the reply.
pub(super) static REPLACE: Script = Script::new(
    "local key = KEYS[1]
local old = redis.call('HMGET', key, 'e', 's', 'u', 'i', ARGV[6], 't')
local marks = old[6] or ''
if ARGV[9] ~= '' and string.find(marks, ARGV[9], 1, true) then return {1, '', ''} end
if not old[1] or tonumber(old[1]) <= tonumber(ARGV[1]) then return {0, '', ''} end
local expires = ARGV[2]
local moves = tonumber(expires) > tonumber(old[1])
if not moves then expires = old[1] end
local index = old[4]
if old[3] then
  if ARGV[5] == '+' .. old[3] then index = ARGV[4] end
  if not index or tonumber(index) < tonumber(expires) then return {2, old[3], expires} end
end
local found = old[5] and ('+' .. old[5]) or '-'
if found ~= ARGV[7] then return {3, found, ''} end
if string.byte(ARGV[8]) == 43 then
  redis.call('HSET', key, ARGV[6], string.sub(ARGV[8], 2))
else
  redis.call('HDEL', key, ARGV[6])
end
if old[3] then redis.call('HSET', key, 'i', index) end
if not old[2] or tonumber(old[2]) < tonumber(ARGV[1]) then redis.call('HSET', key, 's', ARGV[1]) end
if ARGV[9] ~= '' then redis.call('HSET', key, 't', string.sub(ARGV[9] .. ' ' .. marks, 1, 303)) end
redis.call('HINCRBY', key, 'n', 1)
if moves then
  redis.call('HSET', key, 'e', expires)
  redis.call('PEXPIRE', key, ARGV[3])
end
return {1, '', ''}",
);

/// Moves the expiry, forward only: KEYS session; ARGV as the first five of [`REPLACE`]. Gives as [`CHANGE`].
pub(super) static TOUCH: Script = Script::new(
    "local key = KEYS[1]
local old = redis.call('HMGET', key, 'e', 's', 'u', 'i')
if not old[1] or tonumber(old[1]) <= tonumber(ARGV[1]) then return {0, '', ''} end
local expires = ARGV[2]
local moves = tonumber(expires) > tonumber(old[1])
if not moves then expires = old[1] end
if old[3] then
  local index = old[4]
  if ARGV[5] == '+' .. old[3] then index = ARGV[4] end
  if not index or tonumber(index) < tonumber(expires) then return {2, old[3], expires} end
  redis.call('HSET', key, 'i', index)
end
if not old[2] or tonumber(old[2]) < tonumber(ARGV[1]) then redis.call('HSET', key, 's', ARGV[1]) end
if moves then
  redis.call('HSET', key, 'e', expires)
  redis.call('PEXPIRE', key, ARGV[3])
end
return {1, '', ''}",
);

/// Ends a session: KEYS session. Gives `0`: there was none; or `1`, with its user (`+name`).
pub(super) static DESTROY: Script = Script::new(
    "local old = redis.call('HMGET', KEYS[1], 'e', 'u')
redis.call('DEL', KEYS[1])
if not old[1] then return {0, ''} end
return {1, old[2] and ('+' .. old[2]) or ''}",
);

/// Ends a session if it is one of a user: KEYS session; ARGV user.
pub(super) static DESTROY_OF: Script = Script::new(
    "if redis.call('HGET', KEYS[1], 'u') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])",
);

/// Ends a session that has moved, if it is still the one that was read: KEYS session; ARGV version, the name
/// that it has now, how long to remember that in ms. Gives `1` if it has moved there, now or before.
pub(super) static LEAVE: Script = Script::new(
    "local old = redis.call('HMGET', KEYS[1], 'n', 'g')
if old[2] == ARGV[2] then return 1 end
if old[1] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'g', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1",
);

/// Adds a session to a user's index: KEYS index; ARGV name of the session, lifetime in ms. Gives how many
/// sessions there are in it. The time is the server's, so that all who add agree.
pub(super) static INDEX: Script = Script::new(
    "local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('ZCARD', KEYS[1])",
);

/// Takes a session out of an index unless somebody added it a moment ago: KEYS index; ARGV name, for how many
/// ms it stays.
pub(super) static UNINDEX: Script = Script::new(
    "local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score then return 0 end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if tonumber(score) + tonumber(ARGV[2]) < now then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0",
);

/// Reads a record of express-session: KEYS record. Gives its text and its lifetime in ms.
pub(super) static EXPRESS_READ: Script =
    Script::new("return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}");

/// Replaces a record of express-session if it is still what was read: KEYS record, and the new key if it moves;
/// ARGV old text, new text, lifetime in s. `0`: there is none; `1`: done; `2`: it has changed, into this text.
pub(super) static EXPRESS_REPLACE: Script = Script::new(
    "local found = redis.call('GET', KEYS[1])
if not found then return {0, false} end
if found ~= ARGV[1] then return {2, found} end
if KEYS[2] then redis.call('DEL', KEYS[1]) end
local key = KEYS[2] or KEYS[1]
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', key, ARGV[2], 'EX', ARGV[3])
else
  redis.call('DEL', key)
end
return {1, false}",
);

/// Ends a record of express-session if it is still what was read: KEYS record; ARGV text. Gives
/// `0`: there is none; `1`: done; `2`: it has changed.
pub(super) static EXPRESS_DESTROY: Script = Script::new(
    "local found = redis.call('GET', KEYS[1])
if not found then return 0 end
if found ~= ARGV[1] then return 2 end
return redis.call('DEL', KEYS[1])",
);
