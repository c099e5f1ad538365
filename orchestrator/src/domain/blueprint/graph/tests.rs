//! What the graphs show, and that no name can break out of them.

use std::collections::BTreeSet;

use super::*;

const ORDER: &str = r#"
name: order
version: "1"
endpoint: /order
definition:
  StartAt: Check
  States:
    Check: {Type: Choice, Choices: [{Variable: $.n, NumericGreaterThan: 1, Next: Both}, {Variable: $.n, NumericEquals: 1, Next: Wait}], Default: Sorry}
    Wait: {Type: Wait, Seconds: 3, Next: Check}
    Both:
      Type: Parallel
      Branches:
        - StartAt: Pay
          States: {Pay: {Type: Task, Resource: "skill:pay", Retry: [{ErrorEquals: [Worker.Transient]}], Next: Paid}, Paid: {Type: Pass, End: true}}
        - StartAt: Each
          States:
            Each: {Type: Map, ItemProcessor: {StartAt: Pack, States: {Pack: {Type: Task, Resource: "skill:pack", End: true}}}, End: true}
      Catch: [{ErrorEquals: [Outcome.refused, States.Timeout], Next: Sorry}]
      Next: Done
    Done: {Type: Succeed}
    Sorry: {Type: Fail, Error: Sorry}
"#;

fn blueprint(text: &str) -> Blueprint {
    Blueprint::parse(text).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn dot_shows_states_ways_and_branches() {
    let dot = blueprint(ORDER).graph(&BTreeSet::new(), None);

    for part in [
        "digraph \"order\" {",
        "label=\"Check\\nChoice\", shape=diamond",
        "label=\"Pay\\nTask\\nskill:pay\"",
        "label=\"rule 1\", lhead=cluster_n",
        "label=\"rule 2\"",
        "label=\"Default\"",
        "label=\"Next\", ltail=cluster_n",
        "label=\"Catch Outcome.refused, States.Timeout\", style=dashed",
        "label=\"Retry\", style=dashed",
    ] {
        assert!(dot.contains(part), "{part} is missing in\n{dot}");
    }
    assert_eq!(dot.matches("subgraph cluster_").count(), 5, "Both and Each, and their three branches");
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
}

#[test]
fn taken_and_current_states_are_marked() {
    let taken = names(&["Check", "Both", "Pay"]);

    let dot = blueprint(ORDER).graph(&taken, Some("Pay"));
    let svg = blueprint(ORDER).graph_svg(&taken, Some("Pay"));

    for (dotted, drawn) in [("class=\"taken\"", " taken\"><title>"), ("class=\"current\"", " current\"><title>")] {
        let marked = |text: &str| text.lines().filter(|line| line.contains(dotted) || line.contains(drawn)).count();
        assert_eq!(marked(&dot), marked(&svg));
        assert_ne!(marked(&dot), 0);
    }
    assert!(dot.lines().any(|line| line.contains("\"Pay\\n") && line.contains("class=\"current\"")));
    assert!(svg.contains("<g class=\"Choice taken\"><title>Check</title>"));
    assert!(svg.contains("<g class=\"Task current\"><title>Pay</title>"));
}

#[test]
fn svg_is_well_formed_and_shows_every_state() {
    let svg = blueprint(ORDER).graph_svg(&BTreeSet::new(), None);

    let shown = well_formed(&svg);

    for name in blueprint(ORDER).machine.state_names() {
        assert!(shown.contains(&name.to_owned()), "{name} is missing");
    }
    for label in ["rule 1", "Default", "Next", "Retry", "Catch Outcome.refused, States.Timeout"] {
        assert!(shown.contains(&label.to_owned()), "{label} is missing");
    }
}

#[test]
fn boxes_of_one_machine_do_not_overlap() {
    fn check(placed: &layout::Placed<'_>) {
        for (at, one) in placed.nodes.iter().enumerate() {
            for other in &placed.nodes[at + 1..] {
                let beside = one.left + one.width <= other.left || other.left + other.width <= one.left;
                let above = one.top + one.height <= other.top || other.top + other.height <= one.top;
                assert!(beside || above);
            }
            assert!(one.left >= -0.01 && one.left + one.width <= placed.width + 0.01);
            assert!(one.top >= -0.01 && one.top + one.height <= placed.height + 0.01);
            one.parts.iter().for_each(|(_, part)| check(part));
        }
    }
    let blueprint = blueprint(ORDER);
    let drawing = drawing(&blueprint.machine, Marks { taken: &BTreeSet::new(), current: None });

    check(&layout::place(&drawing));
}

#[test]
fn hostile_names_stay_names() {
    let hostile =
        ["\"; x [label=1]", "<script>alert(1)</script>", "a\nb\\n\\N\\", "&lt;b&gt;", "\u{1}\u{7f}", "]]>", "ñandú 😀"];
    for name in hostile {
        let state = serde_json::json!({"Type": "Succeed"});
        let file = serde_json::json!({
            "name": "hostile", "version": "1", "endpoint": "/hostile",
            "definition": {"StartAt": name, "States": {name: state}}
        });
        let blueprint = blueprint(&file.to_string());

        let dot = blueprint.graph(&BTreeSet::new(), Some(name));
        let shown = well_formed(&blueprint.graph_svg(&BTreeSet::new(), Some(name)));

        let label = dot.lines().find(|line| line.contains("Succeed")).expect("the state is there");
        let escaped = label.replace("\\\\", "").replace("\\\"", "");
        assert!(escaped.starts_with("  n1 [label=\"") && escaped.contains("\\nSucceed\", shape=oval"), "{label}");
        let meant: String = name
            .chars()
            .map(|c| {
                if c == '\n' {
                    ' '
                } else if c.is_control() {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect();
        assert!(shown.contains(&meant), "{meant} is not among {shown:?}");
    }
}

/// Reads a document of elements and text as XML asks for it, and gives its texts.
fn well_formed(xml: &str) -> Vec<String> {
    let mut open = Vec::new();
    let mut texts = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        let text = rest[..at].trim();
        assert!(!text.contains('>'), "{text}");
        if !text.is_empty() {
            texts.push(unescaped(text));
        }
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        assert!(tag.chars().all(|c| !c.is_control()), "{tag}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{xml}"),
            None if !tag.ends_with('/') => open.push(tag.split(' ').next().unwrap_or_default()),
            None => {}
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    texts
}

fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    let plain = entities.iter().fold(text.to_owned(), |text, (entity, _)| text.replace(entity, ""));
    assert!(!plain.contains('&'), "{text}");
    entities.iter().fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c))
}
