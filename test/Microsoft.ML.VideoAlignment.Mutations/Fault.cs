using System.Security.Cryptography;
using System.Text;
using Microsoft.CodeAnalysis;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>
/// A fault that can be put into the sources. Its name is made of words, not of line numbers, so that it outlives edits elsewhere in its file.
/// </summary>
/// <param name="Room">Whose numbers it changes.</param>
/// <param name="File">Relative to the library's folder.</param>
/// <param name="Member">Type and member, "Type.Member".</param>
/// <param name="Kind">"sign", "factor", ...</param>
/// <param name="Original">The code as it is, on one line.</param>
/// <param name="Faulty">The code in its stead; empty: the statement is dropped.</param>
internal sealed record Fault(string Room, string File, string Member, string Kind, string Original, string Faulty)
{
    /// <summary>Counts equal changes in one member, from 1.</summary>
    public int Occurrence { get; init; } = 1;

    /// <summary>Whether the code runs once a process, when its type is first used.</summary>
    public bool IsStatic { get; init; }

    /// <summary>Tells faults apart.</summary>
    public string Name => string.Join('\t', Room, File, Member, Kind, Change);

    /// <summary>What is changed into what.</summary>
    public string Change => (Faulty.Length == 0 ? $"drop {Original}" : $"{Original} => {Faulty}") + (Occurrence > 1 ? $" (occurrence {Occurrence})" : "");

    /// <summary>A place in an order that depends on the seed and the name alone.</summary>
    /// <param name="seed">Of the selection.</param>
    public string Draw(int seed) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{seed}\t{Name}")));
}

/// <summary>A fault and where it goes.</summary>
/// <param name="Fault">What is changed.</param>
/// <param name="Node">An expression or a statement.</param>
/// <param name="Replacement">The faulty code in full; empty for a dropped statement.</param>
internal sealed record FaultSite(Fault Fault, SyntaxNode Node, string Replacement);
