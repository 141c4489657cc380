using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Whatever is changed in a file or a text, reading it ends soon, with a result or with an exception that the reader promises, and takes no more memory than
/// the input gives reason for. The variable FUZZ_INPUTS says how many inputs there are in all; see test/README.md.
/// </summary>
public class FuzzTests
{
    private const int Default = 2000;

    private static readonly int? s_asked = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_INPUTS"), CultureInfo.InvariantCulture, out int inputs)
        ? inputs : null;

    private static readonly Lazy<IReadOnlyDictionary<string, FuzzReader[]>> s_readers =
        new(() => FuzzReaders.ByKind.ToDictionary(kind => kind.Key, kind => kind.Value().ToArray()));

    private static readonly string[] s_kinds = [.. FuzzReaders.ByKind.Keys];

    [TestCaseSource(nameof(s_kinds))]
    public void MutatedInputsAreReadOrRefusedAsPromised(string kind)
    {
        int readers = s_readers.Value.Values.Sum(list => list.Length);
        int count = ((s_asked ?? Default) + readers - 1) / readers;

        // By default a machine that emulates another, or is at its first call, is not at fault.
        var driver = new FuzzDriver(mostSeconds: s_asked is null ? 60 : 2)
        {
            LastInputFile = s_asked is null ? null
            : Path.Combine(Path.GetTempPath(), "video-alignment-fuzz.txt")
        };
        var findings = new List<string>();
        foreach (FuzzReader reader in s_readers.Value[kind])
        {
            FuzzReport report = driver.Run(reader, count);
            TestContext.Out.WriteLine($"{reader.Name}: {report}");
            findings.AddRange(report.Findings.Select(finding => $"{reader.Name}: {finding}"));
            Assert.That(report.Inputs, Is.EqualTo(count).Or.LessThan(findings.Count > 0 ? count : 0), reader.Name);
        }

        Assert.That(findings, Is.Empty, string.Join("\n\n", findings));
    }
}
