//! The account: visits, logins, devices, and what each browser may end.

use super::*;

const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A browser: keeps its cookie.
struct Browser {
    router: Router,
    agent: &'static str,
    cookie: Option<String>,
}

impl Browser {
    fn new(router: &Router, agent: &'static str) -> Self {
        Self { router: router.clone(), agent, cookie: None }
    }

    async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = headers.to_vec();
        headers.push(("user-agent", self.agent));
        let sent = self.cookie.clone();
        if let Some(cookie) = &sent {
            headers.push(("cookie", cookie));
        }
        let answer = send(&self.router, request(method, path, &headers, body)).await;
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            self.cookie = (!pair.ends_with('=')).then_some(pair);
        }
        answer
    }

    async fn look(&mut self) -> String {
        let answer = self.send("GET", "/account", &[("accept", "text/html")], "").await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.text().to_owned()
    }

    /// Sends a form as a browser does, and follows the redirect; the page behind it.
    async fn submit(&mut self, path: &str, body: &str) -> String {
        let answer = self.send("POST", path, &[FORM, ("sec-fetch-site", "same-origin")], body).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}: {:?}", answer.body);
        assert_eq!(answer.header("location"), "/account");
        self.look().await
    }

    async fn log_in(&mut self) -> String {
        self.submit("/account/login", "name=Nuri&password=narae").await
    }

    async fn document(&mut self) -> Value {
        self.send("GET", "/api/account", &[], "").await.json()
    }
}

/// The handle of the first device that is not this one.
fn other(page: &str) -> String {
    let (_, after) = page.split_once("action=\"/account/devices/").expect("there is another device");
    after[..32].to_owned()
}

mod visits {
    use super::*;

    #[tokio::test]
    async fn each_look_at_the_page_counts_in_its_own_session() {
        let site = Site::new();
        let (mut one, mut another) =
            (Browser::new(&site.router, FIREFOX), Browser::new(&site.router, SAFARI));
        assert!(one.look().await.contains(">once<"));
        assert!(one.look().await.contains(">2 times<"));
        assert!(another.look().await.contains(">once<"));
        let mut twin = Browser { router: site.twin(), ..one };
        assert!(twin.look().await.contains(">3 times<"), "another process knows the session");
    }

    #[tokio::test]
    async fn the_page_says_who_answered() {
        let page = Browser::new(&Site::new().router, FIREFOX).look().await;
        assert!(page.contains(">process 4242<") && !page.contains("kill this one"), "{page}");
        let site = Site::in_cluster(INSPECT, Arc::new(SlotSeven));
        let page = Browser::new(&site.router, FIREFOX).look().await;
        assert!(page.contains(">worker 7, process 4242<") && page.contains("kill this one"), "{page}");
    }

    struct SlotSeven;

    impl Cluster for SlotSeven {
        fn place(&self) -> Option<Place> {
            Some(Place { slot: 7, generation: 1 })
        }

        fn status(&self) -> Result<narae::cluster::Status, String> {
            Err("nobody asks".to_owned())
        }

        fn kill(&self, pid: i32) -> std::io::Result<()> {
            panic!("nobody is to be killed, {pid} least of all")
        }
    }

    #[tokio::test]
    async fn a_hundred_at_once_count_as_a_hundred() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        browser.look().await;
        let cookie = browser.cookie.clone().unwrap();
        let mut visits = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (router, cookie) = (site.router.clone(), cookie.clone());
            visits.spawn(async move {
                let headers = [JSON, ("cookie", cookie.as_str())];
                send(&router, request("POST", "/api/account/visits", &headers, "")).await.status
            });
        }
        assert!(visits.join_all().await.iter().all(StatusCode::is_success));
        assert_eq!(browser.document().await["visits"], 101);
    }

    #[tokio::test]
    async fn who_asks_for_the_head_alone_is_not_counted_and_gets_no_cookie() {
        let site = Site::new();
        let head = site.send(request("HEAD", "/account", &[], "")).await;
        assert_eq!((head.status, head.header("set-cookie")), (StatusCode::OK, ""));
        let mut browser = Browser::new(&site.router, FIREFOX);
        let page = browser.look().await;
        assert_eq!(head.header("content-length"), page.len().to_string());
        browser.send("HEAD", "/account", &[], "").await;
        assert_eq!(browser.document().await["visits"], 1);
    }

    #[tokio::test]
    async fn no_other_page_begins_a_session() {
        let site = Site::new();
        for path in ["/", "/about", "/connection", "/workers", "/api/users", "/api/account", "/nowhere"] {
            assert_eq!(site.browse(path).await.header("set-cookie"), "", "{path}");
        }
    }
}

mod login {
    use super::*;

    #[tokio::test]
    async fn gives_the_session_a_new_id_and_keeps_its_count() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        assert!(browser.look().await.contains("action=\"/account/login\""));
        let before = browser.cookie.clone();
        let page = browser.log_in().await;
        for part in ["Hello, Nuri", "Welcome, Nuri.", ">2 times<", "Firefox on Windows", "this device"] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(browser.cookie.is_some() && browser.cookie != before);
        let mut planted = Browser { router: site.router.clone(), agent: SAFARI, cookie: before };
        assert!(planted.look().await.contains("action=\"/account/login\""), "the old id opens nothing");
    }

    #[tokio::test]
    async fn a_message_is_shown_once() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        assert!(browser.log_in().await.contains("Welcome, Nuri."));
        assert!(!browser.look().await.contains("Welcome"));
    }

    #[tokio::test]
    async fn a_wrong_password_is_said_once_and_the_form_keeps_the_name() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        let page = browser.submit("/account/login", "name=%22Nuri%22+%3Cb%3E&password=wrong").await;
        assert!(page.contains("role=\"alert\">That is not the password"), "{page}");
        assert!(page.contains("value=\"&quot;Nuri&quot; &lt;b&gt;\""), "{page}");
        let again = browser.look().await;
        assert!(!again.contains("role=\"alert\"") && again.contains("value=\"\""), "{again}");
        assert!(browser.document().await["user"].is_null());
    }

    #[tokio::test]
    async fn a_name_is_one_line_of_1_to_60_characters() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        let long = "한".repeat(61);
        for name in ["", "++", "a%0Ab", &long] {
            let page = browser.submit("/account/login", &format!("name={name}&password=narae")).await;
            assert!(page.contains("A name has 1 to 60 characters"), "{name}");
        }
        let page = browser.submit("/account/login", &format!("name={}&password=narae", &long[3..])).await;
        assert!(page.contains("Hello, 한"), "{page}");
    }

    #[tokio::test]
    async fn the_cookie_outlives_the_browser_only_if_asked_to() {
        let site = Site::new();
        for (box_ticked, persistent) in [("", false), ("&remember=yes", true)] {
            let mut browser = Browser::new(&site.router, FIREFOX);
            let body = format!("name=Nuri&password=narae{box_ticked}");
            let headers = [FORM, ("sec-fetch-site", "same-origin")];
            let answer = browser.send("POST", "/account/login", &headers, &body).await;
            let cookie = answer.header("set-cookie");
            assert_eq!(cookie.contains("Max-Age=2592000"), persistent, "{cookie}");
            for part in ["sid=", "HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(part), "{cookie}");
            }
        }
    }

    #[tokio::test]
    async fn a_wish_to_stay_ends_with_the_logout() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        browser.submit("/account/login", "name=Nuri&password=narae&remember=yes").await;
        let headers = [FORM, ("sec-fetch-site", "same-origin")];
        for (path, body) in [("/account/logout", ""), ("/account/login", "name=Nuri&password=narae")] {
            let answer = browser.send("POST", path, &headers, body).await;
            let cookie = answer.header("set-cookie");
            assert!(cookie.starts_with("sid=") && !cookie.contains("Max-Age"), "{path}: {cookie}");
        }
    }

    #[tokio::test]
    async fn who_logs_in_as_somebody_else_begins_anew() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        browser.log_in().await;
        let page = browser.submit("/account/login", "name=Ada&password=narae").await;
        assert!(page.contains("Hello, Ada") && page.contains(">once<"), "{page}");
        assert_eq!(browser.document().await["devices"].as_array().unwrap().len(), 1);
    }
}

mod devices {
    use super::*;

    /// Two browsers of one user.
    async fn two(site: &Site) -> (Browser, Browser) {
        let (mut one, mut another) =
            (Browser::new(&site.router, FIREFOX), Browser::new(&site.twin(), SAFARI));
        one.log_in().await;
        another.log_in().await;
        (one, another)
    }

    #[tokio::test]
    async fn all_are_listed_and_this_one_is_first() {
        let site = Site::new();
        let (mut one, mut another) = two(&site).await;
        for (browser, first, second) in [
            (&mut one, "Firefox on Windows", "Safari on iPhone"),
            (&mut another, "Safari on iPhone", "Firefox on Windows"),
        ] {
            let page = browser.look().await;
            assert_eq!((page.matches("data-handle").count(), page.matches("data-current").count()), (2, 1));
            assert!(page.find(first).unwrap() < page.find(second).unwrap(), "{page}");
            assert!(page.contains("Log out everywhere else"));
        }
    }

    #[tokio::test]
    async fn one_logs_another_out_which_is_at_the_login_form_at_its_next_click() {
        let site = Site::new();
        let (mut one, mut another) = two(&site).await;
        let handle = other(&one.look().await);
        let page = one.submit(&format!("/account/devices/{handle}/logout"), "").await;
        assert!(page.contains("Logged out: 1 device.") && !page.contains("Safari on iPhone"), "{page}");
        assert!(!page.contains("Log out everywhere else"));
        let page = another.submit("/account/logout-everywhere", "").await;
        assert!(
            page.contains("You were not logged in any more.") && page.contains("/account/login"),
            "{page}"
        );
        assert!(one.look().await.contains("Hello, Nuri"), "who was logged out logs nobody out");
        let page = one.submit(&format!("/account/devices/{handle}/logout"), "").await;
        assert!(page.contains("That device was logged out already."), "{page}");
    }

    #[tokio::test]
    async fn logging_out_leaves_the_others_alone() {
        let site = Site::new();
        let (mut one, mut another) = two(&site).await;
        let old = one.cookie.clone();
        let page = one.submit("/account/logout", "").await;
        assert!(page.contains("You are logged out.") && page.contains(">once<"), "{page}");
        assert!(another.look().await.contains("Hello, Nuri"));
        let mut thief = Browser { router: site.router.clone(), agent: SAFARI, cookie: old };
        assert!(!thief.look().await.contains("Hello"), "the old id opens nothing");
    }

    #[tokio::test]
    async fn logging_out_everywhere_else_leaves_this_one() {
        let site = Site::new();
        let (mut one, mut another) = two(&site).await;
        let page = one.submit("/account/logout-elsewhere", "").await;
        assert!(page.contains("Hello, Nuri") && page.contains("Logged out: 1 device."), "{page}");
        assert!(!another.look().await.contains("Hello"));
        assert!(one.submit("/account/logout-elsewhere", "").await.contains("logged in nowhere else"));
    }

    #[tokio::test]
    async fn logging_out_everywhere_leaves_none_and_no_other_user_notices() {
        let site = Site::new();
        let (mut one, mut another) = two(&site).await;
        let mut ada = Browser::new(&site.router, SAFARI);
        ada.submit("/account/login", "name=Ada&password=narae").await;
        let page = one.submit("/account/logout-everywhere", "").await;
        assert!(page.contains("You are logged out everywhere: 2 devices."), "{page}");
        for browser in [&mut one, &mut another] {
            assert!(!browser.look().await.contains("Hello"));
        }
        assert!(ada.look().await.contains("Hello, Ada"));
    }

    #[tokio::test]
    async fn nobody_ends_the_session_of_somebody_else() {
        let site = Site::new();
        let (mut one, mut ada) = (Browser::new(&site.router, FIREFOX), Browser::new(&site.router, SAFARI));
        one.log_in().await;
        ada.submit("/account/login", "name=Ada&password=narae").await;
        let handle = one.document().await["devices"][0]["handle"].as_str().unwrap().to_owned();
        ada.submit(&format!("/account/devices/{handle}/logout"), "").await;
        assert!(one.look().await.contains("Hello, Nuri"));
    }
}

mod programs {
    use super::*;

    #[tokio::test]
    async fn log_in_read_and_log_out_with_json() {
        let site = Site::new();
        let mut curl = Browser::new(&site.router, "curl/8.5.0");
        let nobody = curl.document().await;
        assert!(nobody["user"].is_null() && nobody["devices"] == serde_json::json!([]), "{nobody}");
        assert_eq!(nobody["served_by"]["pid"], 4242);
        let body = r#"{"name": "Nuri", "password": "narae", "remember": true}"#;
        let answer = curl.send("POST", "/api/account/login", &[JSON], body).await;
        let document = answer.json();
        assert_eq!((&document["user"], &document["devices"][0]["browser"]), (&"Nuri".into(), &"curl".into()));
        assert_eq!(document["devices"][0]["is_current"], true);
        assert!(document["devices"][0]["logged_in_at"].as_str().unwrap().ends_with('Z'), "{document}");
        assert_eq!(curl.send("POST", "/api/account/visits", &[JSON], "").await.json()["visits"], 1);
        let ended = curl.send("POST", "/api/account/logout-everywhere", &[JSON], "{}").await.json();
        assert_eq!(ended, serde_json::json!({ "ended": 1 }));
        assert!(curl.document().await["user"].is_null());
        curl.send("POST", "/api/account/logout", &[JSON], "{}").await.problem(StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn learn_from_the_status_what_was_wrong() {
        let site = Site::new();
        let mut curl = Browser::new(&site.router, "curl/8.5.0");
        let long = format!(r#"{{"name": "{}", "password": "narae"}}"#, "a".repeat(61));
        for (body, status) in [
            (r#"{"name": "Nuri", "password": "wrong"}"#, StatusCode::FORBIDDEN),
            (r#"{"name": "Nuri"}"#, StatusCode::FORBIDDEN),
            (r#"{"password": "narae"}"#, StatusCode::UNPROCESSABLE_ENTITY),
            (&long, StatusCode::UNPROCESSABLE_ENTITY),
            ("[]", StatusCode::UNPROCESSABLE_ENTITY),
            ("{", StatusCode::BAD_REQUEST),
        ] {
            curl.send("POST", "/api/account/login", &[JSON], body).await.problem(status);
        }
        let body = r#"{"name": "Nuri", "password": "narae"}"#;
        curl.send("POST", "/api/account/login", &[JSON], body).await;
        for handle in ["0123456789abcdef0123456789abcdef", "me"] {
            let path = format!("/api/account/devices/{handle}/logout");
            curl.send("POST", &path, &[JSON], "{}").await.problem(StatusCode::NOT_FOUND);
        }
        let long = "x".repeat(20_000);
        curl.send("POST", "/api/account/login", &[JSON], &long).await.problem(StatusCode::PAYLOAD_TOO_LARGE);
    }
}

mod other_sites {
    use super::*;

    #[tokio::test]
    async fn neither_log_anybody_in_nor_out() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        browser.log_in().await;
        let forms = ["login", "logout", "logout-elsewhere", "logout-everywhere", "devices/00/logout"];
        for path in forms.map(|path| format!("/account/{path}")) {
            for sender in [
                vec![FORM],
                vec![FORM, ("sec-fetch-site", "cross-site")],
                vec![FORM, ("sec-fetch-site", "same-site")],
                vec![FORM, ("origin", "http://evil.example")],
                vec![FORM, ("origin", "null")],
            ] {
                let answer = browser.send("POST", &path, &sender, "name=Eve&password=narae").await;
                answer.problem(StatusCode::FORBIDDEN);
            }
            let api = format!("/api{path}");
            for sender in
                [vec![JSON, ("sec-fetch-site", "cross-site")], vec![JSON, ("origin", "http://evil.example")]]
            {
                let body = r#"{"name": "Eve", "password": "narae"}"#;
                browser.send("POST", &api, &sender, body).await.problem(StatusCode::FORBIDDEN);
            }
            let plain = browser.send("POST", &api, &[("content-type", "text/plain")], "{}").await;
            plain.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        assert_eq!(browser.document().await["user"], "Nuri");
    }

    #[tokio::test]
    async fn a_browser_that_sends_only_its_origin_is_believed() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        let headers = [FORM, ("origin", "http://localhost")];
        let answer = browser.send("POST", "/account/login", &headers, "name=Nuri&password=narae").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
}

mod the_store {
    use super::*;

    #[tokio::test]
    async fn that_cannot_be_opened_is_an_error_page_and_the_other_pages_are_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sessions"), "a file").unwrap();
        let site = Site { router: router(&folder, INSPECT, Arc::new(Alone)), folder };
        let page = site.browse("/account").await;
        assert!(page.status.is_server_error() && page.text().ends_with("</html>\n"), "{}", page.text());
        assert_eq!(site.browse("/").await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn keeps_logins_over_a_restart() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        browser.log_in().await;
        let Browser { cookie, agent, router: old } = browser;
        let Site { router: first, folder } = site;
        drop((old, first));
        let mut browser = Browser { router: router(&folder, INSPECT, Arc::new(Alone)), agent, cookie };
        assert!(browser.look().await.contains("Hello, Nuri"));
    }

    #[tokio::test]
    async fn keeps_neither_an_id_nor_a_password() {
        let site = Site::new();
        let mut browser = Browser::new(&site.router, FIREFOX);
        browser.submit("/account/login", "name=Nuri&password=secret-but-wrong").await;
        browser.log_in().await;
        let id = browser.cookie.unwrap().split_once('=').unwrap().1.to_owned();
        for file in std::fs::read_dir(site.folder.path().join("sessions")).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            for secret in [id.as_str(), "secret-but-wrong"] {
                assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
            }
        }
    }
}
