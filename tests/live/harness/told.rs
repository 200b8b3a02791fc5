//! The audit as a test reads it, and people who change tables: what is needed to rebuild a table from both.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Sim, final_routes, route};
use crate::dice::Dice;

/// All lines, by target in lower case.
pub(crate) fn lines(sim: &Sim) -> Vec<Value> {
    let text = std::fs::read_to_string(sim.path("state/audit.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

pub(crate) type Table = BTreeMap<String, (String, String)>;

/// Our routes of a table by name, as Azure has them.
pub(crate) fn as_it_stands(sim: &Sim, id: &str) -> Table {
    let routes = final_routes(&sim.history(id));
    let ours = routes.into_iter().filter(|(_, route)| route.name.starts_with("amlnet.prod."));
    ours.map(|(prefix, route)| (route.name, (prefix, route.hop))).collect()
}

pub(crate) fn put(table: &mut Table, name: &Value, route: &Value) {
    let name = name.as_str().unwrap().to_owned();
    let text = |field: &str| route[field].as_str().unwrap_or_default().to_owned();
    if route.is_null() {
        table.remove(&name);
    } else {
        table.insert(name, (text("prefix"), text("nextHop")));
    }
}

/// What happened to a table in order: a line of the audit, or what somebody else did to one of our entries.
#[derive(Debug)]
pub(crate) enum Event {
    Line(Box<Value>),
    Edit { entry: String, before: Option<(String, String)>, after: Option<(String, String)> },
}

/// What somebody else did to an entry of ours after so many writes on that table.
#[derive(Debug)]
pub(crate) struct Edit {
    table: String,
    after_writes: usize,
    event: Event,
}

/// Writes on a table that have a line, whatever became of them, and one that has none yet.
fn writes_so_far(sim: &Sim, id: &str) -> (usize, Option<String>) {
    let about = |line: &Value| line["target"].as_str().unwrap().eq_ignore_ascii_case(id);
    let told: Vec<Value> = lines(sim).into_iter().filter(about).collect();
    // A crash between the line and the end of the note leaves both, of one write.
    let is_new = |open: &Value| about(open) && told.iter().all(|line| line["write"] != open["write"]);
    let files = std::fs::read_dir(sim.path("state/open")).into_iter().flatten();
    let mut notes = files.filter_map(|file| serde_json::from_slice(&std::fs::read(file.unwrap().path()).ok()?).ok());
    let open = notes.find(is_new).map(|line: Value| line["entry"].as_str().unwrap().to_owned());
    (told.len() + usize::from(open.is_some()), open)
}

/// Somebody changes a route of a table, ours or not, while amlnet does not run.
pub(crate) fn meddle(sim: &Sim, id: &str, dice: &mut Dice, edits: &mut Vec<Edit>) {
    let (after_writes, open) = writes_so_far(sim, id);
    let before = as_it_stands(sim, id);
    if dice.percent(30) {
        let number = dice.between(0, 5);
        let mut foreign = route(&format!("theirs-{number}"), &format!("10.9.{number}.0/24"), "None");
        foreign["id"] = json!(format!("{id}/routes/theirs-{number}"));
        return sim.put(foreign);
    }
    // Of a write whose end nobody knows, a later look can only tell what stands then.
    let names: Vec<&String> = before.keys().filter(|name| Some(*name) != open.as_ref()).collect();
    let Some(name) = (!names.is_empty()).then(|| (*dice.one(&names)).clone()) else { return };
    let was = before[&name].clone();
    let after = if dice.percent(50) {
        sim.delete(&format!("{id}/routes/{name}"));
        None
    } else {
        let mut drifted = route(&name, &was.0, "VirtualAppliance 10.7.7.7");
        drifted["id"] = json!(format!("{id}/routes/{name}"));
        sim.put(drifted);
        Some((was.0.clone(), "VirtualAppliance 10.7.7.7".to_owned()))
    };
    let event = Event::Edit { entry: name, before: Some(was), after };
    edits.push(Edit { table: id.to_owned(), after_writes, event });
}

/// All that happened to a table, in order.
pub(crate) fn events(sim: &Sim, id: &str, edits: &mut Vec<Edit>) -> Vec<Event> {
    let about = |line: &Value| line["target"].as_str().unwrap().eq_ignore_ascii_case(id);
    let mut all = Vec::new();
    let mut of_table = edits.extract_if(.., |edit| edit.table == id).peekable();
    let lines: Vec<Value> = lines(sim).into_iter().filter(about).collect();
    for (index, line) in lines.into_iter().enumerate() {
        while let Some(edit) = of_table.next_if(|edit| edit.after_writes <= index) {
            all.push(edit.event);
        }
        all.push(Event::Line(Box::new(line)));
    }
    all.extend(of_table.map(|edit| edit.event));
    all
}

pub(crate) fn set(table: &mut Table, name: &str, route: Option<(String, String)>) {
    match route {
        Some(route) => table.insert(name.to_owned(), route),
        None => table.remove(name),
    };
}
