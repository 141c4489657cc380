using Microsoft.ML.VideoAlignment.Media;
using ScottPlot;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Table 2 of VADER: whether people prefer its videos. The page that asks them, and the table of what they said.</summary>
internal static class Table2
{
    public const string Name = "table2";

    private const string KeyFile = "table2-key.json", PageFile = "table2.html";

    /// <param name="desk">Runs and places.</param>
    /// <param name="answers">Files that people downloaded from the page; none: only the page is made.</param>
    public static void Run(ExperimentContext desk, IReadOnlyList<string> answers)
    {
        IReadOnlyList<CellResult> results = [];
        if (answers.Count == 0)
        {
            ExperimentConfig Of(string method) => desk.Scale.Cell(method, PaperRewards.Preference, 1,
                desk.Rates.Of(method, PaperRewards.Preference)) with
            { Videos = desk.Scale.PreferencePairs };
            results = desk.Campaign.Complete([Of(Methods.Vader), Of(Methods.Base)]);
            if (results.Count < 2)
            {
                Console.WriteLine("table2: the two runs that its videos are from are not there.");
                return;
            }

            MakeKit(desk, results[0].Cell, results[1].Cell);
        }

        Key key = PreferenceKit.Read<Key>(desk[KeyFile]);
        IReadOnlyList<WinRate> rates =
            WinRates.Of(key, [.. answers.Select(file => (Path.GetFileName(file), PreferenceKit.Read<AnswerFile>(file)))], Methods.Vader);
        WritePage(desk, key, rates, answers.Count, results);
    }

    private static void MakeKit(ExperimentContext desk, ExperimentConfig vader, ExperimentConfig start)
    {
        string[] prompts = CellRun.UnseenPrompts(vader);
        (string, byte[], byte[])[] videos = [.. Enumerable.Range(0, vader.Videos).Select(video =>
            (prompts[video], File.ReadAllBytes(desk.Store.VideoOf(vader, video)), File.ReadAllBytes(desk.Store.VideoOf(start, video))))];
        (string page, Key key) = PreferenceKit.Make(videos, (Methods.Vader, Methods.Base), seed: 1);
        File.WriteAllText(desk[PageFile], page);
        File.WriteAllText(desk[KeyFile], PreferenceKit.ToText(key));
        VideoClip[] pairs = [.. Enumerable.Range(0, vader.Videos)
            .SelectMany(video => new[] { start, vader }.Select(cell => VideoFile.Read(desk.Store.VideoOf(cell, video))))];
        VideoFile.Write(desk["table2.gif"], VideoClip.Grid(pairs, columns: 6), scale: 3);
    }

    private static void WritePage(ExperimentContext desk, Key key, IReadOnlyList<WinRate> rates, int people, IReadOnlyList<CellResult> results)
    {
        var page = new Page(
            "Table 2: do people prefer VADER's videos?",
            "VADER (arXiv 2407.08737), Table 2, on the embedded world: videos of the base model and of the model aligned to the preference reward, the same "
                + "unseen prompts and seeds, shown in pairs to people who are not told which is which.");
        page.Say($"[{PageFile}]({PageFile}) holds everything, videos included, and needs no network: open it in a browser, answer, download answers.json. "
            + $"Pairs come in random order, sides by chance; both questions of the paper are asked of each pair. [{KeyFile}]({KeyFile}) says which video is "
            + $"whose. `table2 answers.json ...` turns the files of any number of people into the table below; {key.Pairs.Count} pairs.");
        if (rates.Count == 0)
        {
            page.Say($"**Nobody has been asked yet**: there is no table. The paper reports, for ModelScope aligned to HPSv2, 79 % for fidelity and 61 % for "
                + $"text alignment, 100 answers each.");
        }
        else
        {
            page.Say($"Answers of {people} people. The interval is the exact binomial one (Clopper and Pearson), 95 %; it takes answers as independent, "
                + $"which those of one person are not quite.");
            page.Table(["question", "VADER preferred", "answers", "share", "95 % interval", "left video chosen"], rates.Select(rate => (IReadOnlyList<string>)
            [
                rate.Question.Text, $"{rate.Wins}", $"{rate.Count}", Percent((double)rate.Wins / rate.Count),
                    $"{Percent(rate.Interval.Low)} to {Percent(rate.Interval.High)}", Percent((double)rate.Left / rate.Count),
            ]));
            page.Image("table2.png", "Share of answers for VADER");
            page.Head("What these answers say");
            foreach (WinRate rate in rates)
            {
                page.Claim(rate.Interval.Low > 0.5 ? true : rate.Interval.High < 0.5 ? false
                    : null, $"asked '{rate.Question.Text}', people prefer VADER's videos.");
            }

            page.Space();
            Plot chart =
                Chart.Bars("VADER preferred", "share of answers", [.. rates.Select(rate => rate.Question.Id)],
                    [new Series(Methods.Title(Methods.Vader), [.. rates.Select(
                        (rate, at) => ((double)at, new Interval((double)rate.Wins / rate.Count, (rate.Interval.High - rate.Interval.Low) / 2)))])]);
            Chart.Save(desk["table2.png"], chart);
        }

        Csv.Write(desk["table2.csv"], ["question", "VADER preferred", "answers", "low 95 %", "high 95 %"],
            rates.Select(rate => new object?[] { rate.Question.Id, rate.Wins, rate.Count, rate.Interval.Low, rate.Interval.High }));
        page.Head("The videos").Say($"Pairs from left to right: base model, VADER.").Image("table2.gif", "The pairs of videos");
        page.Write(desk["table2.md"], results, desk.Command(Name));

        static string Percent(double share) => share.ToString("0 %", System.Globalization.CultureInfo.InvariantCulture);
    }
}
