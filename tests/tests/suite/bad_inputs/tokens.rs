//! Row 36: forged and damaged page and resume tokens, and tokens of another request.

use contacts_sdk::{Error, NewContact, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, phones};

/// One token of each kind of list, in the default workspace.
struct Tokens {
    contacts: String,
    by_name: String,
    tags: String,
    attributes: String,
    events: String,
    workspaces: String,
    stream: String,
}

impl Tokens {
    async fn of(app: &TestApp) -> Self {
        app.make_tags(&["a", "b"]).await;
        app.make_attributes().await;
        app.make_many(phones(0..3).into_iter().map(|phone| NewContact::new().phone(phone))).await;
        for _ in 0..2 {
            app.opt_in().record_opt_out(phone(0)).await.expect("an opt-out");
        }
        app.workspaces().create("other").await.expect("a workspace");
        let token = |next: Option<String>| next.expect("a token");
        let list = || app.contacts().list().page_size(1);
        let mut stream = app.contacts().segment().batch_size(1).batches();
        let batch = stream.next().await.expect("a batch").expect("a batch");
        Self {
            contacts: token(list().await.expect("a page").next_page_token),
            by_name: token(list().order_by("first_name").await.expect("a page").next_page_token),
            tags: token(app.tags().list().page_size(1).await.expect("a page").next_page_token),
            attributes: token(
                app.attributes().list().page_size(1).await.expect("a page").next_page_token,
            ),
            events: token(
                app.opt_in().events(phone(0)).page_size(1).await.expect("a page").next_page_token,
            ),
            workspaces: token(
                app.workspaces().list().page_size(1).await.expect("a page").next_page_token,
            ),
            stream: batch.resume_token().to_string(),
        }
    }

    fn all(&self) -> [&str; 7] {
        [
            &self.contacts,
            &self.by_name,
            &self.tags,
            &self.attributes,
            &self.events,
            &self.workspaces,
            &self.stream,
        ]
    }
}

/// The result of each list for a token.
async fn answers(app: &TestApp, token: &str) -> [Result<(), Error>; 7] {
    let mut stream = app.contacts().segment().resume_from(token).batches();
    [
        app.contacts().list().page_token(token).await.map(drop),
        app.contacts().list().order_by("first_name").page_token(token).await.map(drop),
        app.tags().list().page_token(token).await.map(drop),
        app.attributes().list().page_token(token).await.map(drop),
        app.opt_in().events(phone(0)).page_token(token).await.map(drop),
        app.workspaces().list().page_token(token).await.map(drop),
        stream.next().await.transpose().map(drop),
    ]
}

fn refused(answer: Result<(), Error>, is_stream: bool) {
    match is_stream {
        true => answer.refused_at(reason::INVALID_RESUME_TOKEN, "resume_token"),
        false => answer.refused_at(reason::INVALID_PAGE_TOKEN, "page_token"),
    };
}

#[apply(on_each_store!)]
async fn row_36_token_is_valid_for_its_own_list_only(app: TestApp) {
    let tokens = Tokens::of(&app).await;
    for (own, token) in tokens.all().into_iter().enumerate() {
        assert!(token.len() <= 512, "{}", token.len());
        for (list, answer) in answers(&app, token).await.into_iter().enumerate() {
            match list == own {
                true => answer.expect("its own list"),
                false => refused(answer, list == 6),
            }
        }
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_36_damaged_token_is_rejected(app: TestApp) {
    let tokens = Tokens::of(&app).await;
    let forged = "A".repeat(54);
    let long = "A".repeat(100_000);
    let mut damaged: Vec<String> =
        ["x", "=", "...", "default.", ".", "\u{202e}", &forged, &long].map(str::to_owned).into();
    for token in tokens.all() {
        damaged.push(token[..token.len() - 1].to_owned());
        damaged.push(token[..token.len() / 2].to_owned());
        damaged.push(format!("{token}A"));
        damaged.push(format!(" {token}"));
        let middle = token.len() / 2;
        let other = if &token[middle..=middle] == "A" { "B" } else { "A" };
        damaged.push(format!("{}{other}{}", &token[..middle], &token[middle + 1..]));
    }
    for token in damaged {
        for (list, answer) in answers(&app, &token).await.into_iter().enumerate() {
            refused(answer, list == 6);
        }
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_36_token_of_another_workspace_is_rejected(app: TestApp) {
    let tokens = Tokens::of(&app).await;
    let other = app.client().with_workspace("other");
    let list = other.contacts().list().page_token(&tokens.contacts).await;
    list.refused_at(reason::INVALID_PAGE_TOKEN, "page_token");
    let mut stream = other.contacts().segment().resume_from(&*tokens.stream).batches();
    let error = stream.next().await.expect("an error");
    error.refused_at(reason::INVALID_RESUME_TOKEN, "resume_token");
    // Nor after the workspace is created again.
    app.workspaces().delete("default").confirm("default").await.expect("erased");
    app.workspaces().create("default").await.expect("a workspace");
    let list = app.contacts().list().page_token(&tokens.contacts).await;
    list.refused_at(reason::INVALID_PAGE_TOKEN, "page_token");
    app.assert_alive().await;
}
