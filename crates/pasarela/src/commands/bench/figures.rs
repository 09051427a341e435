//! What a bench found: figures against goals, and the conditions under which they hold.

use crate::output::line;
use serde_json::{Value, json};
use std::path::Path;

/// On which side of its goal a figure has to be.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// It is told, and has no goal of its own.
    None,
}

/// One figure: the median of its rounds.
#[derive(Clone)]
pub(super) struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    goal: Goal,
}

impl Figure {
    /// Did it reach its goal? `None`: it has none.
    fn met(&self) -> Option<bool> {
        match self.goal {
            Goal::AtLeast(least) => Some(self.value >= least),
            Goal::AtMost(most) => Some(self.value <= most),
            Goal::None => None,
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::AtLeast(v) => format!(">= {} {}", short(v), self.unit),
            Goal::AtMost(v) => format!("<= {} {}", short(v), self.unit),
            Goal::None => String::new(),
        }
        .trim()
        .to_owned()
    }
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value}") }
}

fn shown(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// All that a bench has to tell.
#[derive(Default)]
pub(super) struct Report {
    /// In the order in which they are told.
    figures: Vec<Figure>,
    /// Rounds and counts behind the figures.
    details: serde_json::Map<String, Value>,
    /// What went wrong: lost, twice.
    faults: Vec<String>,
}

impl Report {
    pub(super) fn figure(&mut self, what: impl Into<String>, value: f64, unit: &'static str, goal: Goal) {
        self.figures.push(Figure { what: what.into(), value, unit, goal });
    }

    pub(super) fn detail(&mut self, name: impl Into<String>, value: Value) {
        self.details.insert(name.into(), value);
    }

    pub(super) fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.figures.extend(other.figures);
        self.details.extend(other.details);
        self.faults.extend(other.faults);
    }

    /// Did nothing get lost and nothing happen twice? A goal that was missed is a figure, not a failure.
    pub(super) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// Everything, for machines.
    pub(super) fn to_json(&self, name: &str, conditions: &Value) -> Value {
        let figure = |f: &Figure| json!({ "what": f.what, "value": f.value, "unit": f.unit, "goal": f.goal_text(), "met": f.met() });
        let figures: Vec<Value> = self.figures.iter().map(figure).collect();
        json!({ "bench": name, "conditions": conditions, "figures": figures, "details": self.details, "faults": self.faults })
    }

    /// Prints a table in Markdown, or everything as JSON.
    pub(super) fn print(&self, name: &str, conditions: &Value, as_json: bool) {
        if as_json {
            line(&self.to_json(name, conditions).to_string());
            return;
        }
        let said: Vec<String> = conditions
            .as_object()
            .into_iter()
            .flatten()
            .map(|(n, v)| {
                format!("{} {}", n.replace('_', " "), v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            })
            .collect();
        line(&format!("bench {name}: {}", said.join("; ")));
        line("");
        line("| what | figure | goal | met |");
        line("|---|---|---|---|");
        for f in &self.figures {
            let met = f.met().map_or("", |met| if met { "yes" } else { "no" });
            line(&format!(
                "| {} | {} | {} | {met} |",
                f.what,
                format!("{} {}", shown(f.value), f.unit).trim(),
                f.goal_text()
            ));
        }
        for fault in &self.faults {
            line(&format!("\nFAULT: {fault}"));
        }
    }
}

/// The middle one; the higher of the two middle ones of an even number.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The machine: what a figure means nothing without.
pub(super) fn machine(dir: Option<&Path>) -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model =
        cpu.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, v)| v.trim().to_owned()));
    let memory = read("/proc/meminfo");
    let memory =
        memory.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    let folder = dir.map_or_else(std::env::temp_dir, Path::to_owned);
    let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": model.unwrap_or_default(),
        "memory_gib": memory.map(|kib| (kib / 1048576.0).round()),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "disk": file_system(&folder, &read("/proc/self/mounts")),
    })
}

/// `ext4 on /dev/vda`: the last mount that holds the folder.
fn file_system(folder: &Path, mounts: &str) -> String {
    let fields = mounts.lines().map(|l| l.split(' ').collect::<Vec<_>>()).filter(|f| f.len() > 2);
    let holding = fields.filter(|f| folder.starts_with(f[1]));
    holding.max_by_key(|f| f[1].len()).map(|f| format!("{} on {}", f[2], f[0])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_longest_mount() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmpx xfs rw 0 0\n";
        assert_eq!(file_system(Path::new("/tmp/x"), mounts), "tmpfs on tmpfs");
        assert_eq!(file_system(Path::new("/var"), mounts), "ext4 on /dev/a");
    }

    #[test]
    fn a_figure_is_met_on_its_own_side_of_the_goal() {
        let figure = |value, goal| Figure { what: String::new(), value, unit: "ms", goal };
        assert_eq!(figure(2.5, Goal::AtMost(2.5)).met(), Some(true));
        assert_eq!(figure(2.6, Goal::AtMost(2.5)).met(), Some(false));
        assert_eq!(figure(0.59, Goal::AtLeast(0.6)).met(), Some(false));
        assert_eq!(figure(1.0, Goal::None).met(), None);
        assert_eq!(figure(1.0, Goal::AtMost(20.0)).goal_text(), "<= 20 ms");
    }

    #[test]
    fn the_median_is_one_of_the_rounds() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
