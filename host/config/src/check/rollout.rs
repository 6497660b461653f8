//! Plugins that are tried beside another or for it: `mode`, `of` and `share` of `[plugin.NAME]`.

use weir_model::PluginName;

use crate::document::{Report, Span};
use crate::problem::code;
use crate::raw::{self, ModeWord};
use crate::settings::{Mode, SHARE};

/// What the three keys say together; what they cannot say counts as `enforce`.
pub(super) fn mode(written: &raw::Plugin<'_>, report: &Report) -> Mode {
    let word = written.mode.as_ref().map_or(ModeWord::Enforce, |at| at.value);
    let name = &written.name.value;
    let wrong: Option<(Option<Span>, String, String)> = match (word, &written.of, &written.share) {
        (ModeWord::Enforce, Some(of), _) => Some((
            Some(of.span),
            format!("{name} has `of`, but judges in its own right"),
            "write `mode = \"shadow\"` or `mode = \"canary\"`, or leave `of` out".to_owned(),
        )),
        (ModeWord::Enforce | ModeWord::Shadow, _, Some(share)) => Some((
            Some(share.span),
            format!("{name} has `share`, but is no canary"),
            "write `mode = \"canary\"`, or leave `share` out".to_owned(),
        )),
        (ModeWord::Shadow | ModeWord::Canary, None, _) => Some((
            written.mode.as_ref().map(|at| at.span),
            format!("{name} needs `of`: the plugin it is tried beside"),
            "write `of = \"NAME\"`, a plugin that a pipeline names".to_owned(),
        )),
        _ => None,
    };
    if let Some((span, message, help)) = wrong {
        report.error(code::ROLLOUT_KEYS, span, message).help(help);
        return Mode::Enforce;
    }
    match (word, &written.of) {
        (ModeWord::Shadow, Some(of)) => Mode::Shadow { of: of.value.clone() },
        (ModeWord::Canary, Some(of)) => Mode::Canary {
            of: of.value.clone(),
            share: written.share.as_ref().map_or(SHARE.default, |at| at.value),
        },
        _ => Mode::Enforce,
    }
}

/// Whether those that are tried have their place, and only one each. `named` are the plugins of all pipelines.
pub(super) fn places(written: &[raw::Plugin<'_>], named: &[&PluginName], report: &Report) {
    let tried = |plugin: &&raw::Plugin<'_>| {
        plugin.mode.as_ref().is_some_and(|at| at.value != ModeWord::Enforce) && plugin.of.is_some()
    };
    let all: Vec<_> = written.iter().filter(tried).collect();
    for (index, plugin) in all.iter().enumerate() {
        let (Some(of), Some(mode)) = (&plugin.of, &plugin.mode) else { continue };
        let name = &plugin.name.value;
        if named.contains(&name) {
            report
                .error(
                    code::ROLLOUT_PIPELINE,
                    mode.span,
                    format!("{name} stands in a pipeline, so it cannot be tried beside {}", of.value),
                )
                .help("take it out of the pipeline: it is asked wherever that one is");
        }
        if !named.contains(&&of.value) {
            report
                .error(code::ROLLOUT_OF, of.span, format!("no pipeline names {}", of.value))
                .help("`of` is the plugin of a pipeline that this one may follow");
        }
        let same = |other: &&&raw::Plugin<'_>| {
            other.of.as_ref().map(|at| &at.value) == Some(&of.value)
                && other.mode.as_ref().map(|at| at.value) == Some(mode.value)
        };
        if let Some(first) = all.iter().take(index).find(same) {
            let message = format!("two plugins are tried beside {} in the same way", of.value);
            report
                .error(code::ROLLOUT_TWICE, mode.span, message)
                .note(format!("the other is {}", first.name.value))
                .help("try one after the other, or one as shadow and one as canary");
        }
    }
}
