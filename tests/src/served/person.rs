//! Somebody with the page of a session open in a browser of their own: what they press, see and hear.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use anyhow::ensure;
use serde::Deserialize;
use serde_json::json;

use crate::browser::Page;

/// Long enough for two busy cores; nothing waits longer than it must.
pub const LIMIT: Duration = Duration::from_secs(60);

/// One of the page's statistics about what arrives of a stream, over the connection of the moment.
fn inbound(slot: &str, kind: &str, field: &str) -> String {
    format!(
        "(async () => {{
            const player = window.livepeerStarter.page.players.get('{slot}');
            for (const report of (await player?.pc?.getStats() ?? new Map()).values())
                if (report.type === 'inbound-rtp' && report.kind === '{kind}') return report.{field} ?? 0;
            return 0;
        }})()"
    )
}

/// The mean colour of what a `<video>` shows, as an array of red, green and blue.
fn colour(slot: &str) -> String {
    format!(
        "(() => {{
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = 16;
            const pen = canvas.getContext('2d');
            pen.drawImage(document.querySelector('video[data-slot=\"{slot}\"]'), 0, 0, 16, 16);
            const sum = [0, 0, 0];
            pen.getImageData(0, 0, 16, 16).data.forEach((value, index) => {{
                if (index % 4 < 3) sum[index % 4] += value / 256;
            }});
            return sum;
        }})()"
    )
}

/// The mean colour of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Colour(pub f64, pub f64, pub f64);

/// What the app gave somebody to play a stream with.
#[derive(Clone, Debug, Deserialize)]
pub struct Ticket {
    /// The stream's WHEP address.
    pub url: String,
    /// The token for it.
    pub token: String,
}

/// A person at their browser. Dereferences to the page.
pub struct Person(pub Page);

impl Deref for Person {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.0
    }
}

impl DerefMut for Person {
    fn deref_mut(&mut self) -> &mut Page {
        &mut self.0
    }
}

impl Person {
    /// Presses the control with that action as soon as it is there.
    ///
    /// # Errors
    ///
    /// If it does not come.
    pub async fn press(&self, action: &str) -> anyhow::Result<()> {
        let control = format!("document.querySelector('[data-action=\"{action}\"]:not([hidden])')");
        self.until::<bool>(&format!("{control} && ({control}.click(), true)"), LIMIT)
            .await
            .map(drop)
    }

    /// Presses a control that goes away when it has been carried out, and says the name if the page asks for one.
    ///
    /// # Errors
    ///
    /// If the control does not come, or does not go.
    pub async fn press_as(&self, action: &str, name: &str) -> anyhow::Result<()> {
        self.press(action).await?;
        let done = format!(
            "(() => {{
                const dialog = document.querySelector('dialog#name');
                if (dialog?.open) {{
                    dialog.querySelector('[name=name]').value = {};
                    dialog.querySelector('[data-action=name]').click();
                }}
                return document.querySelector('[data-action=\"{action}\"]:not([hidden])') === null;
            }})()",
            json!(name)
        );
        self.until::<bool>(&done, LIMIT).await.map(drop)
    }

    /// Waits until the session stands there for this person.
    ///
    /// # Errors
    ///
    /// If it does not come to that.
    pub async fn phase(&self, phase: &str) -> anyhow::Result<()> {
        self.until::<bool>(&format!("document.body.dataset.phase === '{phase}'"), LIMIT)
            .await
            .map(drop)
    }

    /// Waits until the page shows these words.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn reads(&self, words: &str) -> anyhow::Result<()> {
        let found = format!("document.body.innerText.includes({})", json!(words));
        self.until::<bool>(&found, LIMIT).await.map(drop)
    }

    /// Waits until the page is connected to the server.
    ///
    /// # Errors
    ///
    /// If it does not come to that.
    pub async fn connected(&self) -> anyhow::Result<()> {
        self.until::<bool>("document.body.dataset.connection === 'open'", LIMIT)
            .await
            .map(drop)
    }

    /// Waits until the page says that this stream, or `preview`, plays.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn plays(&self, slot: &str) -> anyhow::Result<()> {
        let video = format!(
            "document.querySelector('video[data-slot=\"{slot}\"]')?.dataset.state === 'playing'"
        );
        self.until::<bool>(&video, LIMIT).await.map(drop)
    }

    /// Waits until exactly these streams, in any order, are on the page.
    ///
    /// # Errors
    ///
    /// If it does not come to that.
    pub async fn has_only(&self, slots: &[&str]) -> anyhow::Result<()> {
        let mut slots = slots.to_vec();
        slots.sort_unstable();
        let same = format!(
            "[...document.querySelectorAll('video[data-slot]')].map((video) => video.dataset.slot)
                .filter((slot) => slot !== 'preview').sort().join() === '{}'",
            slots.join(",")
        );
        self.until::<bool>(&same, LIMIT).await.map(drop)
    }

    /// Waits until `more` pictures of this stream have been decoded from now on, over however many connections.
    ///
    /// # Errors
    ///
    /// If they do not come.
    pub async fn decodes(&self, slot: &str, more: u64) -> anyhow::Result<()> {
        let decoded = inbound(slot, "video", "framesDecoded");
        let before: u64 = self.run(&format!("return {decoded}"), json!([])).await?;
        let wanted =
            format!("({decoded}).then((now) => (now < {before} ? now : now - {before}) > {more})");
        self.until::<bool>(&wanted, LIMIT).await.map(drop)
    }

    /// How loud this stream is over the next three seconds of its sound: the energy that arrives, in the unit of
    /// `totalAudioEnergy` (W3C, Identifiers for WebRTC's Statistics API).
    ///
    /// # Errors
    ///
    /// If no sound arrives; silence is sound.
    pub async fn loudness(&self, slot: &str) -> anyhow::Result<f64> {
        let heard = inbound(slot, "audio", "totalSamplesDuration");
        let energy = inbound(slot, "audio", "totalAudioEnergy");
        let now = format!("return [await {heard}, await {energy}]");
        let (from, before): (f64, f64) = self.run(&now, json!([])).await?;
        let passed = format!("({heard}).then((now) => now - {from} > 3)");
        self.until::<bool>(&passed, LIMIT).await?;
        let after: f64 = self.run(&format!("return {energy}"), json!([])).await?;
        ensure!(after >= before, "the connection has changed meanwhile");
        Ok(after - before)
    }

    /// The mean colour of what this stream's `<video>` shows.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn colour(&self, slot: &str) -> anyhow::Result<Colour> {
        self.run(&format!("return {}", colour(slot)), json!([]))
            .await
    }

    /// Waits until this stream shows a camera: the test picture is bright.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn sees_camera(&self, slot: &str) -> anyhow::Result<()> {
        let bright = format!("Math.max(...{}) > 90", colour(slot));
        self.until::<bool>(&bright, LIMIT).await.map(drop)
    }

    /// Waits until this stream shows a card: it is dark, but not black.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn sees_card(&self, slot: &str) -> anyhow::Result<()> {
        let dark = format!(
            "((colour) => Math.max(...colour) < 70 && Math.max(...colour) > 8)({})",
            colour(slot)
        );
        self.until::<bool>(&dark, LIMIT).await.map(drop)
    }

    /// Waits until this stream comes over that protocol: `udp` or `tcp`.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn plays_over(&self, slot: &str, protocol: &str) -> anyhow::Result<()> {
        let selected = format!(
            "(async () => {{
                const {{ pc }} = window.livepeerStarter.page.players.get('{slot}') ?? {{}};
                const reports = await pc?.getStats() ?? new Map();
                const transport = [...reports.values()].find((report) => report.type === 'transport');
                const pair = reports.get(transport?.selectedCandidatePairId);
                return reports.get(pair?.localCandidateId)?.protocol === '{protocol}';
            }})()"
        );
        self.until::<bool>(&selected, LIMIT).await.map(drop)
    }

    /// Begins to watch the connection over which this stream plays, for [`unbroken`](Person::unbroken).
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn watch(&self, slot: &str) -> anyhow::Result<()> {
        let watch = "
            const { pc } = window.livepeerStarter.page.players.get(arguments[0]);
            const watch = { pc, changes: [`at first ${pc.connectionState}`] };
            pc.addEventListener('connectionstatechange', () => watch.changes.push(pc.connectionState));
            pc.addEventListener('signalingstatechange', () => watch.changes.push(pc.signalingState));
            (window.watched ??= {})[arguments[0]] = watch;";
        self.run::<()>(watch, json!([slot])).await
    }

    /// What has become of the connection since [`watch`](Person::watch): an error unless it is the very same object, has
    /// been connected all the time and was never negotiated again.
    ///
    /// # Errors
    ///
    /// See above.
    pub async fn unbroken(&self, slot: &str) -> anyhow::Result<()> {
        let look = "
            const { pc, changes } = window.watched[arguments[0]];
            const now = window.livepeerStarter.page.players.get(arguments[0])?.pc;
            return [now === pc, changes];";
        let (same, changes): (bool, Vec<String>) = self.run(look, json!([slot])).await?;
        ensure!(same, "{slot} is played over another connection than before");
        ensure!(
            changes == ["at first connected"],
            "the connection of {slot} was {changes:?}"
        );
        Ok(())
    }

    /// Asks the app for a credential to play or publish a stream, as this person's page does: the HTTP status, and the
    /// ticket if it is one to play with.
    ///
    /// # Errors
    ///
    /// If the page does not answer.
    pub async fn asks(&self, what: &str, slot: &str) -> anyhow::Result<(u16, Option<Ticket>)> {
        let ask = "
            const [what, slot] = arguments;
            const { session, seat } = document.body.dataset;
            const answer = await fetch(`/s/${session}/${what}`, {
                method: 'POST',
                headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({ slot, seat }),
            });
            return [answer.status, answer.ok && what === 'play' ? await answer.json() : null];";
        self.run(ask, json!([what, slot])).await
    }

    /// Tries to play from a WHEP address with that token or without one, whoever they belong to: the HTTP status. What
    /// is let in is kept as `window.taken`.
    ///
    /// # Errors
    ///
    /// If the page does not answer.
    pub async fn takes(&self, url: &str, token: Option<&str>) -> anyhow::Result<u16> {
        let take = "
            const [url, token] = arguments;
            const pc = new RTCPeerConnection();
            pc.addTransceiver('audio', { direction: 'recvonly' });
            pc.addTransceiver('video', { direction: 'recvonly' });
            await pc.setLocalDescription();
            while (pc.iceGatheringState !== 'complete')
                await new Promise((resolve) => pc.addEventListener('icegatheringstatechange', resolve, { once: true }));
            const answer = await fetch(url, {
                method: 'POST',
                headers: { 'Content-Type': 'application/sdp', ...(token ? { 'Livepeer-Jwt': token } : {}) },
                body: pc.localDescription.sdp,
            });
            const sdp = await answer.text();
            if (answer.ok) {
                await pc.setRemoteDescription({ type: 'answer', sdp });
                window.taken = pc;
            } else {
                pc.close();
            }
            return answer.status;";
        self.run(take, json!([url, token])).await
    }

    /// Waits until what was [taken](Person::takes) decodes pictures.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn decodes_what_it_took(&self) -> anyhow::Result<()> {
        let decodes = "window.taken.getStats().then((all) => [...all.values()].some((report) =>
            report.type === 'inbound-rtp' && report.kind === 'video' && report.framesDecoded > 10))";
        self.until::<bool>(decodes, LIMIT).await.map(drop)
    }

    /// Waits until what was [taken](Person::takes) has been ended by the server.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub async fn loses_what_it_took(&self) -> anyhow::Result<()> {
        let ended =
            "window.taken.getReceivers().every(({ transport }) => transport.state === 'closed')";
        self.until::<bool>(ended, LIMIT).await.map(drop)
    }
}
