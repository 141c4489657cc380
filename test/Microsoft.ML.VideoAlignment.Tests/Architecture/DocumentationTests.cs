using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What can be held by a rule of how the sources are written: line length, documented parameters, the glossary.</summary>
public partial class DocumentationTests
{
    private const int Columns = 160;

    private static readonly string[] s_folders = ["src", "test", "examples", "benchmarks", "build"];

    // One word a thing (DESIGN, "Words"), and US spelling. A quotation of somebody else's words is held by the list below.
    [GeneratedRegex(
        @"\b(films?|pictures?|graded|colours?|greys?|behaviours?|neighbours?|centres?|licences?|nobody|(?<!there )(?:is|are|was) no(?! longer)"
        + @"|\w*(?:normal|maxim|minim|optim|initial|recogn|quant|standard|serial|material|general)is(?:e|es|ed|er|ing|ation))\b",
        RegexOptions.IgnoreCase)]
    private static partial Regex Avoided();

    [GeneratedRegex("<summary>(?<text>.*?)</summary>", RegexOptions.Singleline)]
    private static partial Regex Summary();

    [GeneratedRegex(@"<[^>]+>")]
    private static partial Regex Markup();

    // A sentence's end with another sentence after it; where markup was, there is an X.
    [GeneratedRegex(@"[.!?]\s+(///\s+)?(?=[A-Z])")]
    private static partial Regex SentenceEnd();

    private static IEnumerable<string> Sources(params string[] folders) =>
        folders.SelectMany(folder => Repository.Files(folder, "*.cs")).Where(file => !file.Contains("/Conformance/Cases/", StringComparison.Ordinal));

    [Test]
    public void LinesHaveAtMost160Columns() =>
        Assert.That(
            Sources(s_folders).SelectMany(file => Repository.Read(file).Split('\n')
                .Select((line, index) => (Place: $"{file}:{index + 1}", line.TrimEnd('\r').Length))
                .Where(line => line.Length > Columns)
                .Select(line => $"{line.Place}: {line.Length}")),
            Is.Empty);

    [Test]
    public void EveryParameterOfADocumentedMemberIsDocumented() => Assert.That(Sources("src").SelectMany(Undocumented), Is.Empty);

    [Test]
    public void ASummaryHasAtMostTwoSentences() =>
        Assert.That(
            Sources("src").SelectMany(file => Summary().Matches(Repository.Read(file)).Select(match => (Place: file, Text: match.Groups["text"].Value)))
                .Where(summary => SentenceEnd().Count(Markup().Replace(summary.Text, "X")) > 1).Select(summary => $"{summary.Place}: {summary.Text.Trim()}"),
            Is.Empty, "what a trap needs beside them goes into <remarks>");

    [Test]
    public void SourcesUseTheGlossary() =>
        Assert.That(
            Sources("src").SelectMany(file => Repository.Read(file).Split('\n')
                .Select((line, index) => (Text: line, Place: $"{file}:{index + 1}"))
                .Where(line => !Glossary.IsQuotation(line.Text))
                .SelectMany(line => Avoided().Matches(line.Text).Select(match => $"{line.Place}: '{match.Value}'"))),
            Is.Empty);

    /// <summary>Members with a summary and parameters that have no <c>param</c> of their own.</summary>
    internal static IEnumerable<string> Undocumented(string file)
    {
        SyntaxNode root = CSharpSyntaxTree.ParseText(Repository.Read(file), new CSharpParseOptions(LanguageVersion.Preview)).GetRoot();
        foreach (MemberDeclarationSyntax member in root.DescendantNodes().OfType<MemberDeclarationSyntax>())
        {
            IEnumerable<ParameterSyntax> parameters = member switch
            {
                BaseMethodDeclarationSyntax method => method.ParameterList.Parameters,
                TypeDeclarationSyntax { ParameterList: { } primary } => primary.Parameters,
                DelegateDeclarationSyntax function => function.ParameterList.Parameters,
                IndexerDeclarationSyntax indexer => indexer.ParameterList.Parameters,
                _ => [],
            };
            DocumentationCommentTriviaSyntax? comment = member.GetLeadingTrivia().Select(trivia => trivia.GetStructure())
                .OfType<DocumentationCommentTriviaSyntax>().LastOrDefault();
            if (comment is null || comment.Content.OfType<XmlEmptyElementSyntax>().Any(element => element.Name.LocalName.ValueText == "inheritdoc")
                || !Elements(comment).Any(element => element.Name == "summary"))
            {
                continue;
            }

            HashSet<string> documented = [.. Elements(comment).Where(element => element.Name == "param").Select(element => element.Of)];
            foreach (string name in parameters.Select(parameter => parameter.Identifier.ValueText).Where(name => !documented.Contains(name)))
            {
                yield return $"{file}:{member.GetLocation().GetLineSpan().StartLinePosition.Line + 1}: parameter '{name}' has no <param>";
            }
        }
    }

    private static IEnumerable<(string Name, string Of)> Elements(DocumentationCommentTriviaSyntax comment) =>
        comment.Content.OfType<XmlElementSyntax>().Select(element => (
            element.StartTag.Name.LocalName.ValueText,
            element.StartTag.Attributes.OfType<XmlNameAttributeSyntax>().FirstOrDefault()?.Identifier.Identifier.ValueText ?? ""));
}
