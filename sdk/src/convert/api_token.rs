use contacts_proto::v1;

use super::{FromProto, all, non_empty, time};
use crate::model::ApiToken;

impl FromProto<v1::Token> for ApiToken {
    fn from_proto(message: v1::Token) -> Self {
        Self {
            token_id: message.token_id,
            name: message.name,
            scopes: all(message.scopes),
            workspace_ids: message.workspace_ids,
            all_workspaces: message.all_workspaces,
            create_time: time(message.create_time),
            expire_time: time(message.expire_time),
            revoke_time: time(message.revoke_time),
            created_by: non_empty(message.created_by),
        }
    }
}
