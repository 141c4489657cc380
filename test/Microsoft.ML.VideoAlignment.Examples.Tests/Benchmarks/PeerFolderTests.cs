using Microsoft.ML.VideoAlignment.Benchmarks;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A folder that lacks a graph compares nothing and says what it lacks; a comparison would end in a null reference halfway.</summary>
public class PeerFolderTests
{
    private static readonly string[] s_files = ["one.pt.gz", "two.pt.gz"];

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("peer-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void WhatANamedFolderLacksIsSaid()
    {
        File.WriteAllText(Path.Combine(_folder, "one.pt.gz"), "");
        var peer = PeerFolder.Find(_folder, _folder, s_files);
        Assert.That((peer.Path, peer.Absence),
            Is.EqualTo(((string?)null, $"PEER_DIR is '{_folder}', which lacks two.pt.gz: set PEER_DIR to the folder that holds one.pt.gz, two.pt.gz")));
        Assert.That(PeerFolder.Find(Path.Combine(_folder, "none"), _folder, s_files).Absence, Does.Contain("which does not exist"));
    }

    [TestCase("")]
    [TestCase("below/here")]
    public void AWholeFolderIsFoundUpwards(string start)
    {
        string peer = Directory.CreateDirectory(Path.Combine(_folder, "shared", "peer")).FullName;
        Assert.That(PeerFolder.Find(null, Path.Combine(_folder, start), s_files).Path, Is.Null);
        Array.ForEach(s_files, file => File.WriteAllText(Path.Combine(peer, file), ""));
        Assert.That(PeerFolder.Find(null, Path.Combine(_folder, start), s_files).Path, Is.EqualTo(peer));
    }
}
