using System.Diagnostics;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The page in a real browser, where there is one: somebody who always prefers one side clicks through it.</summary>
public class PreferencePageTests
{
    private static readonly string[] s_browsers = ["chromium", "chromium-browser", "google-chrome"];

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("kit-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void WhoeverPrefersOneSideIsCountedSo()
    {
        (string page, Key key) = PreferenceKit.Make(PreferenceTests.Videos, ("vader", "base"), seed: 1);
        string[] preferred = [.. PreferenceTests.Videos.Select(video => "data:image/gif;base64," + Convert.ToBase64String(video.A))];
        JsonElement seen = Visit(page, $$"""
            const preferred = new Set({{JsonSerializer.Serialize(preferred)}});
            const at = id => document.getElementById(id), visible = id => !at(id).hidden;
            const seen = { before: [visible("intro"), visible("pair"), visible("end")], prompts: [], questions: [], sides: [], progress: [] };
            let blob = null;
            const create = URL.createObjectURL;
            URL.createObjectURL = object => { blob = object; return create.call(URL, object); };
            at("start").click();
            for (let i = 0; i < 100 && visible("pair"); i++) {
              const left = preferred.has(at("leftFilm").src);
              seen.prompts.push(at("prompt").textContent);
              seen.questions.push(at("question").textContent);
              seen.progress.push(at("progress").textContent);
              seen.sides.push(left ? 0 : 1);
              if (i % 2 === 0) at(left ? "left" : "right").click();
              else document.dispatchEvent(new KeyboardEvent("keydown", { key: left ? "1" : "2" }));
            }
            seen.after = [visible("intro"), visible("pair"), visible("end")];
            seen.link = [at("download").download, at("download").href.slice(0, 5)];
            finish(blob.text().then(text => ({ ...seen, file: text })));
            """);
        string[] Texts(string name) => [.. seen.GetProperty(name).EnumerateArray().Select(item => item.ToString())];
        Assert.That(Texts("before"), Is.EqualTo(new[] { "True", "False", "False" }));
        Assert.That(Texts("after"), Is.EqualTo(new[] { "False", "False", "True" }));
        Assert.That(Texts("link"), Is.EqualTo(new[] { "answers.json", "blob:" }));
        Assert.That(Texts("prompts").Distinct(), Is.EquivalentTo(PreferenceTests.Videos.Select(video => video.Prompt)));
        Assert.That(Texts("prompts").Distinct(), Is.Not.EqualTo(PreferenceTests.Videos.Select(video => video.Prompt)),
            "pairs come in random order (1 in 40320 they do not)");
        Assert.That(Texts("questions").Take(2), Is.EqualTo(PreferenceKit.Questions.Select(question => question.Text)));
        Assert.That(Texts("progress")[^1], Is.EqualTo("Pair 8 of 8"));
        Assert.That(Texts("sides").Distinct().Count(), Is.EqualTo(2), "sides are drawn (1 in 128 they are not)");

        string file = Path.Combine(_folder, "answers.json");
        File.WriteAllText(file, seen.GetProperty("file").GetString());
        IReadOnlyList<WinRate> rates = WinRates.Of(key, [("answers.json", PreferenceKit.Read<AnswerFile>(file))], "vader");
        Assert.That(rates.Select(rate => (rate.Wins, rate.Count)), Is.EqualTo(new[] { (8, 8), (8, 8) }));
    }

    [Test]
    public void AClosedPageGoesOnWhereItWas()
    {
        (string page, _) = PreferenceKit.Make(PreferenceTests.Videos, ("vader", "base"), seed: 1);
        JsonElement seen = Visit(page, """
            const at = id => document.getElementById(id);
            at("start").click();
            at("left").click();
            at("right").click();
            at("left").click();
            const kit = JSON.parse(at("kit").textContent), kept = localStorage.getItem("video-pairs-" + kit.id);
            const session = Session.restore(kit, kept), next = Session.next(kit, session);
            finish(Promise.resolve({
              answers: session.answers.length, number: next.number, question: next.question.id, shown: at("prompt").textContent === next.pair.prompt,
              other: Session.restore({ ...kit, id: "other" }, kept), broken: Session.restore(kit, "{"), none: Session.restore(kit, null),
            }));
            """);
        Assert.That(seen.GetProperty("answers").GetInt32(), Is.EqualTo(3));
        Assert.That((seen.GetProperty("number").GetInt32(), seen.GetProperty("question").GetString(), seen.GetProperty("shown").GetBoolean()),
            Is.EqualTo((2, "text", true)));
        Assert.That(new[] { "other", "broken", "none" }.Select(name => seen.GetProperty(name).ValueKind), Is.All.EqualTo(JsonValueKind.Null));
    }

    /// <summary>Opens the page with a script after its own ones; the script hands a promise to <c>finish</c>, whose value comes back.</summary>
    private JsonElement Visit(string page, string script)
    {
        string? browser = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .SelectMany(folder => s_browsers.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        if (browser is null)
        {
            Assert.Ignore($"No browser: none of {string.Join(", ", s_browsers)} is in PATH.");
        }

        string file = Path.Combine(_folder, "page.html");
        File.WriteAllText(file, page.Replace("</body>", $$"""
            <script>
            const finish = promise => promise.catch(error => ({ error: String(error) })).then(value => {
              const pre = document.createElement("pre");
              pre.id = "result";
              pre.textContent = JSON.stringify(value);
              document.body.append(pre);
            });
            try { {{script}} } catch (error) { finish(Promise.reject(error)); }
            </script></body>
            """, StringComparison.Ordinal));
        string[] arguments =
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", $"--user-data-dir={Path.Combine(_folder, "profile")}",
            "--virtual-time-budget=10000", "--dump-dom", new Uri(file).AbsoluteUri,
        ];
        using Process process = Process.Start(new ProcessStartInfo(browser!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string dom = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Match result = Regex.Match(dom, "<pre id=\"result\">(?<json>.*?)</pre>", RegexOptions.Singleline);
        Assert.That(result.Success, Is.True, $"the script did not finish: {errors.Result}");
        JsonElement value = JsonDocument.Parse(WebUtility.HtmlDecode(result.Groups["json"].Value)).RootElement;
        Assert.That(value.TryGetProperty("error", out JsonElement error), Is.False, error.ToString());
        return value;
    }
}
