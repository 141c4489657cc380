using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Writes many faults into one source, each behind a switch that is set at run time: one build for all of them.</summary>
internal static class Schemata
{
    /// <summary>The switch, which goes into the library's assembly. At most one fault is on; which were reached is noted.</summary>
    public const string Switch = """
        namespace Microsoft.ML.VideoAlignment;

        internal static class FaultSwitch
        {
            public static volatile int Active = -1;
            public static bool[] Reached = [];

            public static bool On(int fault)
            {
                if (fault < Reached.Length)
                {
                    Reached[fault] = true;
                }

                return fault == Active;
            }
        }
        """;

    /// <summary>The file's text with every fault in it.</summary>
    /// <param name="tree">The file.</param>
    /// <param name="sites">Its faults with their numbers.</param>
    public static string Write(SyntaxTree tree, IEnumerable<(int Number, FaultSite Site)> sites)
    {
        ILookup<SyntaxNode, (int Number, FaultSite Site)> byNode = sites.ToLookup(pair => pair.Site.Node);
        HashSet<SyntaxNode> nodes = [.. byNode.Select(group => group.Key)];
        return Text(tree.GetRoot());

        string Text(SyntaxNode node)
        {
            // The text of this node with what is changed below it, and then what is changed here.
            var text = new StringBuilder();
            int at = node.FullSpan.Start;
            string source = tree.GetText().ToString();
            foreach (SyntaxNode inner in Outermost(node))
            {
                text.Append(source, at, inner.SpanStart - at).Append(Changed(inner));
                at = inner.Span.End;
            }

            return text.Append(source, at, node.FullSpan.End - at).ToString();
        }

        string Changed(SyntaxNode node)
        {
            string whole = Text(node);
            int lead = node.SpanStart - node.FullSpan.Start, tail = node.FullSpan.End - node.Span.End;
            string text = whole[lead..(whole.Length - tail)];
            foreach ((int number, FaultSite site) in byNode[node])
            {
                string on = $"global::Microsoft.ML.VideoAlignment.FaultSwitch.On({number})";
                text = node is StatementSyntax
                    ? site.Replacement.Length == 0 ? $"if (!{on}) {{ {text} }}" : $"if ({on}) {{ {site.Replacement} }} else {{ {text} }}"
                    : $"({on} ? ({site.Replacement}) : ({text}))";
            }

            return text;
        }

        IEnumerable<SyntaxNode> Outermost(SyntaxNode node) => node.DescendantNodes(inner => inner == node || !nodes.Contains(inner)).Where(nodes.Contains);
    }
}
