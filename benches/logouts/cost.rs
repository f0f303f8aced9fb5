//! What the kernel and PostgreSQL have counted.

use std::fs;

/// Counters that only rise.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// CPU time of the service.
    pub service_ms: f64,
    /// CPU time of PostgreSQL's processes, those that have ended included.
    pub postgres_ms: f64,
    /// Transactions that wrote.
    pub transactions: i64,
    /// Octets of the write-ahead log.
    pub wal_octets: i64,
}

/// What one logout has cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub service_ms: f64,
    pub postgres_ms: f64,
    pub transactions: f64,
    pub wal_octets: f64,
}

impl Cost {
    /// The difference of two readings, for each of `count`.
    #[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
    pub fn of(before: &Spent, after: &Spent, count: usize) -> Self {
        let each = |difference: f64| difference / count as f64;
        Self {
            service_ms: each(after.service_ms - before.service_ms),
            postgres_ms: each(after.postgres_ms - before.postgres_ms),
            transactions: each((after.transactions - before.transactions) as f64),
            wal_octets: each((after.wal_octets - before.wal_octets) as f64),
        }
    }

    pub fn together_ms(&self) -> f64 {
        self.service_ms + self.postgres_ms
    }
}

/// The CPU time of a process with all its threads, in user and kernel mode.
pub fn process_ms(pid: u32) -> f64 {
    Stat::read(pid).map_or(0.0, |stat| stat.own_ms)
}

/// The same for a process, its living children, and those of its children that have ended.
pub fn family_ms(parent: u32) -> f64 {
    let Some(own) = Stat::read(parent) else { return 0.0 };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = pids.filter_map(Stat::read).filter(|stat| stat.parent == parent);
    own.own_ms + own.ended_children_ms + children.map(|child| child.own_ms).sum::<f64>()
}

struct Stat {
    parent: u32,
    own_ms: f64,
    ended_children_ms: f64,
}

impl Stat {
    /// `/proc/PID/stat`, proc(5). The name, in parentheses, may hold anything.
    fn read(pid: u32) -> Option<Self> {
        /// The kernel's USER_HZ: 100 on every Linux of today.
        const MS_PER_TICK: f64 = 10.0;
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks = |field: usize| Some(f64::from(fields.get(field)?.parse::<u32>().ok()?) * MS_PER_TICK);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own_ms: ticks(11)? + ticks(12)?,
            ended_children_ms: ticks(13)? + ticks(14)?,
        })
    }
}
