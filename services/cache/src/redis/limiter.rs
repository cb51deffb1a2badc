//! The accounts of the limiter, in Redis.
//!
//! ```text
//! account:{deployment}:{what}:{tenant}   a hash: `even`, when the account is even, in microseconds of Redis' clock;
//!                                        and for each process that takes of it, by its number, when it did so last
//! ```

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Value, cmd};

use super::link::{Link, Purpose};
use super::options::{Options, OptionsError};
use crate::limiter::{Account, Answer, Block, Blocks, Rate};
use crate::stats::Stats;

/// For how long a process that takes nothing more of an account counts as one that does, in seconds.
const SHARES_FOR: u32 = 10;

/// What [`Rate::take`] decides, by Redis' clock, so that no process's clock matters. Arguments: microseconds that one unit
/// takes to come back, units of a burst, the cost, units more where they fit, who takes, and for how many seconds that one
/// counts. Answers units that were taken, microseconds to wait, units left, and how many processes take of the account. It
/// leaves a key behind for no longer than something is owed or somebody counts.
const TAKE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local unit, burst, cost, more = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local even, sharers, counts_for = now, 0, ARGV[6] * 1000000
if cost > 0 then
  redis.call('HSET', KEYS[1], ARGV[5], string.format('%.0f', now))
end
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  local value = tonumber(fields[at + 1]) or 0
  if fields[at] == 'even' then
    even = math.max(value, now)
  elseif value + counts_for > now then
    sharers = sharers + 1
  else
    redis.call('HDEL', KEYS[1], fields[at])
  end
end
local room = burst - (even - now) / unit
local need = math.min(cost, burst)
local taken, wait = 0, 0
if room + 0.001 < need then
  wait = math.ceil((need - room) * unit)
else
  more = math.max(0, math.min(more, math.floor(room - need)))
  taken = cost + more
  even = even + taken * unit
  if taken > 0 then
    redis.call('HSET', KEYS[1], 'even', string.format('%.3f', even))
  end
end
redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(even - now, counts_for) / 1000) + 1)
return {taken, wait, math.max(0, math.floor(burst - (even - now) / unit + 0.001)), sharers}
";

/// Accounts in Redis.
#[derive(Debug)]
pub struct RedisBlocks {
    link: Arc<Link>,
    deployment: String,
    /// The name of this process among those who take of an account.
    process: String,
}

impl RedisBlocks {
    /// Over these servers; no connection is made yet.
    ///
    /// # Errors
    /// The options cannot be meant.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        Ok(Self {
            // A process that starts anew is another one, and the one before is soon forgotten.
            process: format!("{:016x}", RandomState::new().hash_one(std::process::id())),
            deployment: options.deployment.clone(),
            link: Link::new(options, Arc::new(Stats::default()), Purpose::Counting)?,
        })
    }

    fn key(&self, account: &Account) -> String {
        format!(
            "account:{}:{}:{}",
            self.deployment,
            account.what(),
            account.tenant()
        )
    }
}

impl Blocks for RedisBlocks {
    async fn take(&self, account: &Account, rate: Rate, cost: u32, more: u32) -> Option<Answer> {
        let mut take = cmd("EVAL");
        take.arg(TAKE)
            .arg(1)
            .arg(self.key(account))
            .arg(1_000_000.0 / f64::from(rate.per_second()))
            .arg(rate.burst())
            .arg(cost)
            .arg(more)
            .arg(&self.process)
            .arg(SHARES_FOR);
        // Whoever is let in without the shared accounts is counted here: a failure refuses nobody.
        let answers = self
            .link
            .ask(&[take], self.link.options.call_timeout)
            .await
            .ok()?;
        let answer = answers.first().and_then(read);
        match &answer {
            Some(_) => self.link.sound(),
            None => self.link.unsound(&"an account that cannot be read"),
        }
        answer
    }
}

fn read(answer: &Value) -> Option<Answer> {
    let Value::Array(numbers) = answer else {
        return None;
    };
    let [
        Value::Int(units),
        Value::Int(wait),
        Value::Int(left),
        Value::Int(sharers),
    ] = numbers.as_slice()
    else {
        return None;
    };
    let block = if *wait > 0 {
        Block::Refused {
            retry_after: Duration::from_micros(wait.unsigned_abs()),
        }
    } else {
        Block::Given {
            units: u32::try_from(*units).ok()?,
            left: u32::try_from(*left).ok()?,
        }
    };
    Some(Answer {
        block,
        sharers: u32::try_from(*sharers).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::link::tests::{logged, options};
    use super::*;

    #[test]
    fn who_counts_in_its_place_is_said() {
        let logged = logged(&RedisBlocks::new(options()).unwrap().link);
        assert!(
            logged.contains("this process counts its share of every account by itself"),
            "{logged}"
        );
        assert!(!logged.contains("registry"), "{logged}");
    }
}
