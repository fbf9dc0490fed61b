//! The account of airut's side: its mails, its tasks and the agent's runs.

use crate::account::Account;
use crate::facts::TaskName;
use crate::post::What;
use crate::table::Table;
use std::collections::{BTreeMap, BTreeSet};

impl Account<'_> {
    /// What came that answers nothing, and how often the same came.
    pub fn of_answers(&self, table: &mut Table) {
        let mut ids: BTreeMap<(&str, &What), BTreeSet<&str>> = BTreeMap::new();
        let mut once = BTreeSet::new();
        for received in self.came {
            let is_again = !once.insert((&received.user, &received.message_id));
            table.count("the same mail of airut's again (same Message-ID)", usize::from(is_again));
            match received.what {
                What::Acknowledgement(_) if !is_again => table.count("acknowledged", 1),
                What::Note if !is_again => table.count("notes (limits, waiting)", 1),
                _ => {}
            }
            if !matches!(received.what, What::Note | What::Other) {
                ids.entry((&received.repo, &received.what)).or_default().insert(&received.message_id);
            }
            if !received.user.starts_with('s') || received.user == "stranger" {
                table.fault("answered though refused", format!("{}: {}", received.user, received.message_id));
            }
        }
        for ((repo, what), ids) in ids.into_iter().filter(|(_, ids)| ids.len() > 1) {
            table.fault(
                "two Message-IDs for one answer or acknowledgement",
                format!("{repo} {what:?}: {ids:?}"),
            );
        }
    }

    pub fn of_tasks(&self, table: &mut Table) {
        for row in [
            "tasks",
            "runs",
            "  that knew that they continue",
            "work done twice",
            "continued without a word",
            "damaged",
        ] {
            table.count(row, 0);
        }
        for (name, task) in &self.facts.tasks {
            table.count("tasks", 1);
            let said = task["notes"].to_string();
            if let Some(reason) =
                task["failure"]["reason"].as_str().filter(|_| self.answers.contains_key(name))
            {
                table.count(&format!("  told of failure: {reason}"), 1);
            }
            table.count("  interrupted and continued, and told", usize::from(was_told(&said)));
            table.count("  waited for Claude's API", usize::from(!task["parked"].is_null()));
        }
        for (token, runs) in &self.facts.runs {
            table.count("runs", runs.len());
            let sessions: BTreeSet<&str> =
                runs.iter().map(|(task, _)| task.1.split('.').next().unwrap_or_default()).collect();
            let unaware = runs.iter().skip(1).filter(|(_, how)| how.ends_with(" first")).count();
            if unaware > 0 || sessions.len() > 1 {
                table.fault("work done twice", format!("{token}: {runs:?}"));
            } else if runs.len() > 1 {
                table.count("  that knew that they continue", runs.len() - 1);
                self.untold(token, &runs[0].0, table);
            }
        }
        self.facts.damaged.iter().for_each(|path| table.fault("damaged", path.clone()));
        self.facts.set_aside.iter().for_each(|marker| table.fault("set aside", marker.clone()));
        for (place, count) in &self.facts.strangers {
            table.count(&format!("bounces and the like: {place}"), *count);
        }
    }

    /// Work that was continued and whose answer has no word of it: rightly so after SIGTERM and after waiting.
    fn untold(&self, token: &str, name: &TaskName, table: &mut Table) {
        let Some(task) = self.facts.tasks.get(name) else { return };
        let is_known = was_told(&task["notes"].to_string())
            || task["begun"] == true
            || !task["parked"].is_null()
            || task["state"] == "interrupted";
        if !is_known {
            table.fault("continued without a word", format!("{token} in {name:?}: {task}"));
        }
    }
}

fn was_told(notes: &str) -> bool {
    notes.contains("was interrupted once on our side")
}
