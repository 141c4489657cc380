namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Files of 400 lines and functions of 60 at most; what must be longer says why (<see cref="SourceLengths"/>).</summary>
public class SizesTests
{
    private static readonly string[] s_folders = ["src", "benchmarks", "examples", "build", "test"];

    [TestCaseSource(nameof(s_folders))]
    public void FilesAndFunctionsAreShort(string folder) =>
        Assert.That(
            Repository.Files(folder, "*.cs").Where(file => !file.Contains("/Conformance/Cases/", StringComparison.Ordinal))
                .SelectMany(file => SourceLengths.Violations(file, Repository.Read(file))),
            Is.Empty);

    [TestCase(60, 0)]
    [TestCase(61, 1)]
    public void AFunctionIsMeasuredFromItsFirstWordToItsClosingBrace(int lines, int found)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Violations(Class(Method("void F()", lines))), Has.Length.EqualTo(found), "a method");
            Assert.That(Violations(Class("[A]\n/* text */\n[B(\n1)]\n" + Method("void F()", lines))), Has.Length.EqualTo(found), "its attributes aside");
            Assert.That(Violations(Class(Method("C()", lines))), Has.Length.EqualTo(found), "a constructor");
            Assert.That(Violations(Class("int P\n{\n" + Method("get", lines) + "\n}")), Has.Length.EqualTo(found), "an accessor");
            Assert.That(Violations(Class($"int P =>\n{Lines(lines - 2)}1;")), Has.Length.EqualTo(found), "a property");
            Assert.That(Violations(Class($"int F() =>\n{Lines(lines - 2)}1;")), Has.Length.EqualTo(found), "an expression");
            Assert.That(Violations(Class($"Func<int> _f = () =>\n{{\n{Lines(lines - 3)}}};")), Has.Length.EqualTo(found), "a field's lambda");
            Assert.That(Violations($"using System;\nRun();\n{Lines(lines - 2)}Run();\n" + Method("void F()", 60)), Has.Length.EqualTo(found), "a program");
        }
    }

    [Test]
    public void WhatStandsInAFunctionCountsInIt()
    {
        string inner = Method("void G()", 61);
        Assert.That(Violations(Class("void F()\n{\n" + inner + "\n}")), Has.Length.EqualTo(2), "a local function, and the one around it");
        Assert.That(Violations(Class("void F()\n{\nRun(() =>\n{\n" + Lines(60) + "});\n}")), Has.Length.EqualTo(1), "a lambda");
        Assert.That(Violations(Class($"int[] _table = [\n{Lines(100)}];")), Is.Empty, "a table is not a function");
    }

    [TestCase(400, 0)]
    [TestCase(401, 1)]
    public void AFileIsMeasured(int lines, int found) => Assert.That(Violations($"class C\n{{\n{Lines(lines - 3)}}}\n"), Has.Length.EqualTo(found));

    [TestCase("// Longer than 60 lines: one line for each of many opcodes", 0)]
    [TestCase("// Longer than 60 lines: it is", 2)]
    [TestCase("// Longer than 60 lines", 1)]
    [TestCase("// Longer than 400 lines: one line for each of many opcodes", 2)]
    [TestCase("/// <summary>Longer than 60 lines: one line for each of many opcodes</summary>", 1)]
    public void AFunctionThatSaysWhyMayBeLonger(string comment, int found)
    {
        string method = Method("void F()", 61);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Violations(Class($"{comment}\n{method}")), Has.Length.EqualTo(found));
            Assert.That(Violations(Class($"/// <summary>F.</summary>\n{comment}\n[A]\n{method}")), Has.Length.EqualTo(found), "above attributes");
            Assert.That(Violations(Class($"{comment}\nvoid E() {{ }}\n{method}")), Has.Length.AtLeast(1), "above another");
        }
    }

    [Test]
    public void AFileThatSaysWhyMayBeLonger()
    {
        const string reason = "// Longer than 400 lines: one constant for each of many codes\n";
        string file = $"namespace N;\n{Class(Lines(400))}";
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Violations(reason + file), Is.Empty);
            Assert.That(Violations(file.Replace("class C", reason + "class C", StringComparison.Ordinal)), Has.Length.EqualTo(2), "not at the top");
        }
    }

    [Test]
    public void AReasonWithoutNeedIsSeen() =>
        Assert.That(
            Violations(Class("// Longer than 60 lines: one line for each of many opcodes\n" + Method("void F()", 60))),
            Is.EqualTo(new[] { "C.cs:3: a reason where nothing is too long" }));

    private static string[] Violations(string source) => [.. SourceLengths.Violations("C.cs", source)];

    private static string Class(string members) => $"class C\n{{\n{members}\n}}\n";

    private static string Method(string head, int lines) => $"{head}\n{{\n{Lines(lines - 3)}}}";

    private static string Lines(int count) => string.Concat(Enumerable.Repeat("// ...\n", count));
}
