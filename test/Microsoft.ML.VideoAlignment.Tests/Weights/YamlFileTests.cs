using System.Text.Json;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class YamlFileTests
{
    [Test]
    public void ScalarsHaveTheTypesOfPythonsLoader()
    {
        JsonElement json = Read("""
            a: 1
            b: 1.0e-05
            c: 1e-4
            d: -.5
            e: true
            f: No
            g: ~
            h:
            i: "12"
            j: 0.18215
            k: [4, 2, 1]
            l:
            - x
            - {y: 007}
            m: 1_000 frames
            """);
        Assert.That(
            JsonSerializer.Serialize(json),
            Is.EqualTo("""{"a":1,"b":1E-05,"c":0.0001,"d":-0.5,"e":true,"f":false,"g":null,"h":null,"i":"12","j":0.18215"""
                + ""","k":[4,2,1],"l":["x",{"y":7}],"m":"1_000 frames"}"""));
    }

    [TestCase("a: [1, 2", "line")]
    [TestCase("- 1\n- 2", "map")]
    [TestCase("", "map")]
    [TestCase("a: 1\n---\nb: 2", "one YAML document")]
    [TestCase("? [1, 2]\n: 3", "not text")]
    public void WhatIsNoConfigurationIsRefused(string yaml, string named) =>
        Assert.That(() => Read(yaml), Throws.TypeOf<WeightFileException>().With.Message.Contains(named));

    /// <summary>Nine aliases of nine aliases of ...: 9^9 values from a kilobyte.</summary>
    [Test]
    public void AliasesCannotFillTheMemory()
    {
        var lines = new List<string> { "a0: &a0 [x, x, x, x, x, x, x, x, x]" };
        lines.AddRange(Enumerable.Range(1, 9).Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 9))}]"));
        Assert.That(() => Read(string.Join('\n', lines)), Throws.TypeOf<WeightFileException>().With.Message.Contains("values"));
    }

    private static JsonElement Read(string yaml)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Path("config.yaml");
        File.WriteAllText(path, yaml);
        return YamlFile.Read(path);
    }
}
