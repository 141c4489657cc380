using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models.OpenSora;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the conformance tables leave out. Expected texts: Python 3.11.7's re and html.parser under Beautiful Soup's handlers.</summary>
public class CaptionTests
{
    [TestCase("a <rt>note</rt>b<template>t</template> c", "a b c", TestName = "{m}(ruby and templates are hidden)")]
    [TestCase("<b title='>'>x</b>", "x", TestName = "{m}(a bracket in quotes)")]
    [TestCase("a <b c", "a <b c", TestName = "{m}(no end)")]
    [TestCase("a <b c=\"d", "a <b c=\"d", TestName = "{m}(open quotes)")]
    [TestCase("<script>a < b</sCript>c", "c", TestName = "{m}(script is no markup)")]
    [TestCase("<style>x", "", TestName = "{m}(style without an end)")]
    [TestCase("a</b>c</>d</ e>f</1>g", "acdfg", TestName = "{m}(ends without a start)")]
    [TestCase("a<![CDATA[b<c>]]>d", "ab<c>d", TestName = "{m}(data section)")]
    [TestCase("a<!doctype x>b<?p ?>c<!-- d --  >e<!f>g", "abceg", TestName = "{m}(declarations)")]
    [TestCase("&eacute &eacutex; &#150; &#xE9; &#99999999;", "\u00E9 &eacutex \u2013 \u00E9 \uFFFD", TestName = "{m}(references)")]
    [TestCase("x &#; y <b>z</b>", "x &#; y z", TestName = "{m}(a fault in the first pass)")]
    [TestCase("tom &j", "tom j", TestName = "{m}(an ampersand and a letter at the end)")]
    [TestCase("a &", "a &")]
    [TestCase("a <", "a <")]
    public void TheTextOfMarkupIsReadAsTheReferenceReadsIt(string markup, string text) => Assert.That(CaptionMarkup.ExtractText(markup), Is.EqualTo(text));

    [TestCase("\U0001D400\U0001D7D0x3 \U0001F600a1b", "\U0001D400\U0001D7D0x3 \U0001F600", TestName = "{m}(letters beyond U+FFFF are letters)")]
    [TestCase("@\U00010400x y", "y", TestName = "{m}(and belong to a name)")]
    [TestCase("\uA000 \U0001D400b \U0001D400", "\uA000 \U0001D400b \U0001D400", TestName = "{m}(a stand-in that the text has is not taken)")]
    [TestCase("a\u0301b1c", "\u00E1b1c", TestName = "{m}(marks, composed)")]
    [TestCase("b\u0301c1d", "b\u0301", TestName = "{m}(a mark is no letter)")]
    [TestCase("\u0391\u03A3\u00BA", "\u03B1\u03C3", TestName = "{m}(an ordinal sign is cased)")]
    [TestCase("%C3%A9%C3\u00E9%A9", "\u00E9\uFFFD\u00E9\uFFFD", TestName = "{m}(bytes on either side of a letter are two)")]
    [TestCase("&#65;&#66;123 x", "x", TestName = "{m}(capitals may come from references)")]
    public void WordsAndBordersArePythons(string text, string cleaned) => Assert.That(CaptionCleaner.Clean(text), Is.EqualTo(cleaned));

    [TestCase("|0| a |x| b", "'x'")]
    [TestCase("|0| a |1", "without a text")]
    [TestCase("a {1}", "JSON")]
    [TestCase("a {} {}", "several braces")]
    [TestCase("a {\"mask_strategy\": 1}", "is not a text")]
    [TestCase("a {\"mask\": \"1\"}", "'mask'")]
    public void FaultsOfTheNotationAreNamed(string prompt, string message) =>
        Assert.That(() => OpenSoraPrompt.Parse(prompt), Throws.InstanceOf<FormatException>().With.Message.Contains(message));

    [Test]
    public void SegmentsThatDoNotRiseLeaveLoopsEmpty()
    {
        OpenSoraPrompt prompt = OpenSoraPrompt.Parse("|0| a |3| b |1| c");
        Assert.That(prompt.SelectForLoop(prompt.Segments, 2), Is.EqualTo("a"));
        Assert.That(prompt.SelectForLoop(prompt.Segments, 3), Is.EqualTo("c"), "b lasts from 3 to 1, which is nothing");
    }

    [TestCase(6.25, "6.2")]
    [TestCase(6.75, "6.8")]
    [TestCase(6.35, "6.3")]
    [TestCase(0.05, "0.1")]
    [TestCase(7, "7.0")]
    [TestCase(-0.25, "-0.2")]
    public void ScoresAreRoundedFromTheirBinaryValue(double score, string text) =>
        Assert.That(OpenSoraPrompt.Parse("x").AddScores(score)[0], Is.EqualTo($"x aesthetic score: {text}."));
}
