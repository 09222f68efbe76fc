//! Workspaces.

use contacts_proto::{FieldMask, v1};
use strum::VariantArray;

use super::{mask, output_only};
use crate::domain::consent::{OptInPolicy, PolicyPeriod};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::workspace::{WorkspaceField, WorkspaceSettings, stop_words};
use crate::operations::workspaces::{CreateWorkspace, UpdateWorkspace, WorkspaceChange};
use crate::store::{Workspace, policy_of, timestamp, wire_policy};

/// Decodes a workspace to create.
pub(crate) fn decode(workspace: Option<v1::Workspace>) -> Result<CreateWorkspace> {
    let workspace = workspace.ok_or_else(|| Error::required("workspace"))?;
    if workspace.create_time.is_some() {
        return Err(output_only("workspace.create_time", "leave it out"));
    }
    let v1::WorkspaceSettings { stop_words, opt_in_policy } =
        workspace.settings.unwrap_or_default();
    Ok(CreateWorkspace {
        workspace_id: workspace.workspace_id,
        display_name: workspace.display_name,
        settings: WorkspaceSettings {
            stop_words: decode_stop_words(&stop_words)?,
            opt_in_policy: decode_policy(opt_in_policy)?,
        },
    })
}

/// Decodes an update. Fields that only the server sets are ignored, so that a
/// workspace can be sent back as it was read.
pub(crate) fn decode_update(request: v1::UpdateWorkspaceRequest) -> Result<UpdateWorkspace> {
    let v1::UpdateWorkspaceRequest { workspace, update_mask } = request;
    let workspace = workspace.ok_or_else(|| Error::required("workspace"))?;
    let settings = workspace.settings.unwrap_or_default();
    let is_populated = |field| match field {
        WorkspaceField::DisplayName => !workspace.display_name.is_empty(),
        WorkspaceField::StopWords => !settings.stop_words.is_empty(),
        WorkspaceField::OptInPolicy => settings
            .opt_in_policy
            .as_ref()
            .is_some_and(|policy| *policy != v1::OptInPolicy::default()),
    };
    let fields = mask::fields(update_mask.map(with_all_settings), is_populated)?;
    let changes = fields.into_iter().map(|field| {
        Ok(match field {
            WorkspaceField::DisplayName => {
                WorkspaceChange::DisplayName(workspace.display_name.clone())
            }
            WorkspaceField::StopWords => {
                WorkspaceChange::StopWords(decode_stop_words(&settings.stop_words)?)
            }
            WorkspaceField::OptInPolicy => {
                WorkspaceChange::OptInPolicy(decode_policy(settings.opt_in_policy.clone())?)
            }
        })
    });
    Ok(UpdateWorkspace {
        changes: changes.collect::<Result<_>>()?,
        workspace_id: workspace.workspace_id,
    })
}

/// A mask in which `settings` stands for each of them.
fn with_all_settings(mask: FieldMask) -> FieldMask {
    let names = WorkspaceField::VARIANTS.iter().map(|field| <&str>::from(*field));
    let settings: Vec<_> = names.filter(|name| name.starts_with("settings.")).collect();
    let paths = mask.paths.into_iter().flat_map(|path| match path.as_str() {
        "settings" => settings.iter().map(|name| (*name).to_owned()).collect(),
        _ => vec![path],
    });
    FieldMask { paths: paths.collect() }
}

fn decode_stop_words(words: &[String]) -> Result<Vec<String>> {
    stop_words(words).map_err(|error| error.in_parent("workspace.settings"))
}

fn decode_policy(policy: Option<v1::OptInPolicy>) -> Result<OptInPolicy> {
    const FIELD: &str = "workspace.settings.opt_in_policy";
    let policy = policy_of(&policy.unwrap_or_default()).ok_or_else(|| {
        let message = "opt_in_policy: required_evidence takes fields such as \
                       OPT_IN_EVIDENCE_FIELD_WORDING, and max_age_days 1 to 36500 days, or 0 for \
                       no limit";
        Error::invalid(Reason::InvalidArgument, FIELD, message)
    })?;
    policy.normalised().map_err(|error| error.in_parent(FIELD))
}

/// Encodes a workspace.
pub(crate) fn encode(workspace: Workspace) -> v1::Workspace {
    v1::Workspace {
        workspace_id: workspace.workspace_id,
        display_name: workspace.display_name,
        create_time: Some(timestamp(workspace.create_time)),
        settings: Some(v1::WorkspaceSettings {
            opt_in_policy: Some(wire_policy(&workspace.settings.opt_in_policy)),
            stop_words: workspace.settings.stop_words,
        }),
    }
}

/// Encodes a policy with the time from which it applied.
pub(crate) fn encode_period(period: &PolicyPeriod) -> v1::OptInPolicyPeriod {
    v1::OptInPolicyPeriod {
        policy: Some(wire_policy(&period.policy)),
        begin_time: Some(timestamp(period.begin_time)),
    }
}
