using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Faults of the kinds that people make and programs do not think of, by the code that they change: handmade.tsv. They are always tried.</summary>
internal static partial class HandMade
{
    /// <summary>Finds them; what is not there any more is to be taken out of the list, or put right.</summary>
    /// <param name="path">Rows of room, file, original and faulty code; no faulty code: the statement is dropped.</param>
    /// <param name="files">The library's files.</param>
    /// <param name="rooms">Rooms that are asked for.</param>
    /// <exception cref="InvalidDataException">A row's code is not in its file.</exception>
    public static IReadOnlyList<FaultSite> Find(string path, IReadOnlyDictionary<string, SyntaxTree> files, IReadOnlyCollection<string> rooms)
    {
        var sites = new List<FaultSite>();
        var missing = new List<string>();
        foreach (string[] cells in File.ReadLines(path).Skip(1).Select(line => line.Split('\t')).Where(cells => rooms.Contains(cells[0])))
        {
            (string room, string file, string original, string faulty) = (cells[0], cells[1], cells[2], cells[3]);
            SyntaxNode? node = files.GetValueOrDefault(file)?.GetRoot().DescendantNodes()
                .FirstOrDefault(node => node is ExpressionSyntax or StatementSyntax && OnOneLine(node) == original);
            if (node is null)
            {
                missing.Add($"{file}: {original}");
                continue;
            }

            sites.Add(new FaultSite(new Fault(room, file, FaultFinder.MemberOf(node), "by hand", original, faulty), node, faulty));
        }

        return missing.Count == 0 ? sites : throw new InvalidDataException($"{path}: no such code any more: {string.Join("; ", missing)}.");
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    private static string OnOneLine(SyntaxNode node) => Spaces().Replace(node.ToString(), " ");
}
